"""What all tests share: property tests without a deadline, for a busy machine is no failure."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("npudeck", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("npudeck")
