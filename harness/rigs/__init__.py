"""What a run runs on: one rig, one file, one contract."""
