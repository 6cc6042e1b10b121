"""Where the cycles of an inference go and why: as numbers, as a terminal's tables, as a page, as a timeline."""

from lithify.profile.inference import LayerProfile, Profile, profile_program

__all__ = ["LayerProfile", "Profile", "profile_program"]
