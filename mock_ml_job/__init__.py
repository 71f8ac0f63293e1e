"""The training job: a faithful mock and a real training run, behind one writer."""
