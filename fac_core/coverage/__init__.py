"""Set mathematics over features: FAC, gap states, threshold sweep, richness, heatmap, work list, set cover."""
