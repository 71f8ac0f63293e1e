"""A neural network that learns scikit-learn's handwritten digits: the only room that knows scikit-learn.

The data set comes with scikit-learn; nothing is downloaded. The importer decides on the threads of the linear algebra
(environment) before it imports this.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from mock_ml_job.metrics import Metrics

_HELD_OUT = 0.2
_EVALUATE_EVERY = 10  # batches; an evaluation takes about as long as a batch
_LEARNING_RATE_INIT = 0.2
_POWER_T = 0.2
_PIXEL_MAX = 16  # of the data set


class Digits:
    """One training run, mini-batch by mini-batch, by stochastic gradient descent with a learning rate that falls.

    Everything but the measured times is the same for the same seed.
    """

    def __init__(self, *, seed: int, total_epochs: int, batches_per_epoch: int) -> None:
        images, labels = load_digits(return_X_y=True)
        self._images, self._images_held_out, self._labels, self._labels_held_out = train_test_split(
            images / _PIXEL_MAX, labels, test_size=_HELD_OUT, random_state=seed, stratify=labels
        )
        self._classes = np.unique(labels)
        # invscaling is the schedule that partial_fit keeps to: a learning_rate_init that is set later has no effect
        # on a network that has begun to learn.
        self._network = MLPClassifier(
            hidden_layer_sizes=(64,),
            solver="sgd",
            learning_rate="invscaling",
            learning_rate_init=_LEARNING_RATE_INIT,
            power_t=_POWER_T,
            random_state=seed,
        )
        self._shuffle = np.random.default_rng(seed)
        self._total_epochs = total_epochs
        self._batches_per_epoch = batches_per_epoch

    def batches(self) -> Iterator[Metrics]:
        """Train one batch for each item asked for, and yield what was measured.

        ``training_loss`` is the network's own loss on the batch, before the step. ``validation_loss`` and ``accuracy``
        are those of the held-out images, measured after the first, the last and every tenth batch of an epoch.
        ``processing_time_ms`` is the batch's alone, the evaluation left out.
        """
        validation_loss = accuracy = 0.0
        for epoch in range(1, self._total_epochs + 1):
            order = self._shuffle.permutation(len(self._images))
            for number, batch in enumerate(np.array_split(order, self._batches_per_epoch), start=1):
                learning_rate = self._learning_rate()
                began = time.perf_counter()
                self._network.partial_fit(self._images[batch], self._labels[batch], classes=self._classes)
                seconds = time.perf_counter() - began
                if number == 1 or number % _EVALUATE_EVERY == 0 or number == self._batches_per_epoch:
                    validation_loss, accuracy = self._evaluate()
                yield Metrics(
                    epoch=epoch,
                    batch_number=number,
                    training_loss=float(self._network.loss_),
                    validation_loss=validation_loss,
                    accuracy=accuracy,
                    learning_rate=learning_rate,
                    gpu_utilization=None,
                    processing_time_ms=seconds * 1000,
                    samples_per_second=len(batch) / seconds,
                )

    def _learning_rate(self) -> float:
        """Return the rate of the next step, as scikit-learn documents invscaling: by the samples seen so far."""
        samples_seen: int = getattr(self._network, "t_", 0)
        return float(_LEARNING_RATE_INIT / (samples_seen + 1) ** _POWER_T)

    def _evaluate(self) -> tuple[float, float]:
        odds: Any = self._network.predict_proba(self._images_held_out)
        right = self._classes[odds.argmax(axis=1)] == self._labels_held_out
        return float(log_loss(self._labels_held_out, odds, labels=self._classes)), float(right.mean())
