"""How hard the demo texts are, measured: printed as a table, and written into each demo's card with --write.

Reported for each demo: distinct-2, the share of items whose nearest neighbour has a TF-IDF cosine above 0.9, and the
AUC with which a bag of words, and length alone, predict the label (5-fold cross-validation on anchor and seed).

    python benchmarks/demo_card.py [--write]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

DEMOS = Path(__file__).resolve().parents[1] / "data" / "demo"
PARTS = ("anchor", "seed", "test")


def rows_of(demo: Path, part: str) -> list[dict[str, Any]]:
    """Rows of one file of a demo."""
    return [json.loads(line) for line in (demo / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()]


def text_of(row: dict[str, Any]) -> str:
    """All of a row's own words."""
    own = ("text", "prompt", "chosen", "rejected", "question", "instruction", "output")
    return "\n".join(row[key] for key in own if key in row)


def labelled(rows: list[dict[str, Any]]) -> tuple[list[str], list[int]]:
    """Texts and labels a shortcut could exploit; a pair or A/B item gives one text for each side."""
    texts, labels = [], []
    for row in rows:
        if "chosen" in row:
            texts += [row["chosen"], row["rejected"]]
            labels += [1, 0]
        elif "question" in row:
            a, _, b = row["question"].split("(A)")[-1].partition("(B)")
            texts += [a.strip(), b.strip()]
            labels += [int(row["positive"] == "(A)"), int(row["positive"] == "(B)")]
        else:
            texts.append(row["text"] if "text" in row else row["instruction"] + "\n" + row["output"])
            labels.append(int(row["label"] in {"harmful", "matching"}))
    return texts, labels


def distinct_2(texts: list[str]) -> float:
    """Unique word bigrams over all word bigrams."""
    counts = CountVectorizer(ngram_range=(2, 2), token_pattern=r"\S+").fit_transform(texts)
    return counts.shape[1] / counts.sum()


def near_share(texts: list[str], limit: float = 0.9) -> float:
    """Share of texts whose nearest other text has a TF-IDF cosine above `limit`."""
    matrix = TfidfVectorizer().fit_transform(texts)
    similarity = (matrix @ matrix.T).toarray()
    np.fill_diagonal(similarity, 0)
    return float((similarity.max(1) > limit).mean())


def shortcut_aucs(texts: list[str], labels: list[int]) -> tuple[float, float]:
    """Cross-validated AUC of a bag of words (uni- and bigrams), and of the number of words alone."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=2000))
    bag = cross_val_predict(model, texts, labels, cv=folds, method="predict_proba")[:, 1]
    length = roc_auc_score(labels, [len(text.split()) for text in texts])
    return float(roc_auc_score(labels, bag)), float(max(length, 1 - length))


def statistics(demo: Path) -> dict[str, Any]:
    """The figures of one demo's card."""
    parts = {part: rows_of(demo, part) for part in PARTS}
    everything = [row for part in PARTS for row in parts[part]]
    texts = [text_of(row) for row in everything]
    bag, length = shortcut_aucs(*labelled(parts["anchor"] + parts["seed"]))
    return {
        "items": {part: len(parts[part]) for part in PARTS},
        "distinct_2": round(distinct_2(texts), 3),
        "nearest_neighbour_above_0.9": round(near_share(texts), 4),
        "bag_of_words_auc": round(bag, 3),
        "length_auc": round(length, 3),
    }


def main() -> None:
    """Print the table; with --write also put the figures into the cards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the figures into each demo's card.json")
    write = parser.parse_args().write
    print(f"{'demo':14}{'items':>7}{'distinct-2':>12}{'near > .9':>11}{'bag AUC':>9}{'length AUC':>12}")
    for demo in sorted(path.parent for path in DEMOS.glob("*/anchor.jsonl")):
        found = statistics(demo)
        print(
            f"{demo.name:14}{sum(found['items'].values()):7}{found['distinct_2']:12.3f}"
            f"{found['nearest_neighbour_above_0.9']:11.4f}{found['bag_of_words_auc']:9.3f}{found['length_auc']:12.3f}"
        )
        if write:
            path = demo / "card.json"
            card = json.loads(path.read_text(encoding="utf-8"))
            path.write_text(json.dumps({**card, "statistics": found}, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
