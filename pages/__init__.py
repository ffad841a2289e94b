"""The app's pages: each is a window into one step of the work and holds no logic of its own."""
