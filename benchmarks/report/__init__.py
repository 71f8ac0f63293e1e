"""The release report: what somebody reads before a release, made from records and figures that others left."""
