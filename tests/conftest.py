"""What every test shares: hypothesis without a wall-clock deadline.

A loaded machine is no fault of the code under test; where time itself is the claim, the test
says so. What once failed is drawn first in the next run.
"""

from hypothesis import settings

settings.register_profile("shyraq", deadline=None)
settings.load_profile("shyraq")
