"""The verification as the facts describe it, pair by pair and threshold by threshold: slow, plain, an oracle."""

from __future__ import annotations

THRESHOLDS = [i * 0.01 for i in range(400)]


def verify(distances, same):
    """Ten accuracies, ten best thresholds, and tpr and fpr at the 400 thresholds, averaged over the folds."""
    pairs = [(float(distance), bool(kind)) for distance, kind in zip(distances, same, strict=True)]
    sizes = [len(pairs) // 10 + (fold < len(pairs) % 10) for fold in range(10)]
    accuracies, best_thresholds, tprs, fprs = [], [], [], []
    for fold, size in enumerate(sizes):
        start = sum(sizes[:fold])
        inside, outside = pairs[start : start + size], pairs[:start] + pairs[start + size :]
        best, best_accuracy = None, -1.0
        for threshold in THRESHOLDS:
            accuracy = rates(outside, threshold)[2]
            if accuracy > best_accuracy:
                best, best_accuracy = threshold, accuracy
        best_thresholds.append(best)
        accuracies.append(rates(inside, best)[2])
        curve = [rates(inside, threshold) for threshold in THRESHOLDS]
        tprs.append([point[0] for point in curve])
        fprs.append([point[1] for point in curve])
    tpr, fpr = ([sum(column) / 10 for column in zip(*rows, strict=True)] for rows in (tprs, fprs))
    return accuracies, best_thresholds, tpr, fpr


def rates(pairs, threshold):
    """True positive rate, false positive rate and accuracy of some pairs at a threshold."""
    tp = fp = tn = fn = 0
    for distance, kind in pairs:
        said = distance < threshold
        tp += said and kind
        fp += said and not kind
        tn += not said and not kind
        fn += not said and kind
    tpr = tp / (tp + fn) if tp + fn else 0.0
    fpr = fp / (fp + tn) if fp + tn else 0.0
    return tpr, fpr, (tp + tn) / len(pairs)


def area(distances, same):
    """The share of (same, different) couples that the distance puts in the right order; ties count half."""
    nearer = [d for d, kind in zip(distances, same, strict=True) if kind]
    farther = [d for d, kind in zip(distances, same, strict=True) if not kind]
    won = sum((a < b) + (a == b) / 2 for a in nearer for b in farther)
    return won / (len(nearer) * len(farther))


def true_accepts(distances, same, false_accepts):
    """The largest share of same pairs that one threshold accepts without accepting more of the others."""
    nearer = [d for d, kind in zip(distances, same, strict=True) if kind]
    farther = [d for d, kind in zip(distances, same, strict=True) if not kind]
    best = 0.0
    for threshold in distances:
        if sum(d <= threshold for d in farther) / len(farther) <= false_accepts:
            best = max(best, sum(d <= threshold for d in nearer) / len(nearer))
    return best


def roc_figures(distances, same):
    """Area, equal error rate and true accepts at 1e-3 of the curve that scikit-learn makes."""
    from sklearn.metrics import auc, roc_curve

    fpr, tpr, _ = roc_curve(same, -distances, drop_intermediate=False)
    crossing = abs(1 - tpr - fpr).argmin()
    return [auc(fpr, tpr), (fpr[crossing] + 1 - tpr[crossing]) / 2, tpr[fpr <= 1e-3].max()]
