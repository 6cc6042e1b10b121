"""The tests of `lithify.profile` are a package called `profile`, which hides Python's module from cProfile, which
PyTorch imports: here cProfile is imported with the right one, once.
"""

import importlib.util
import sys
import sysconfig
from pathlib import Path

spec = importlib.util.spec_from_file_location("profile", Path(sysconfig.get_path("stdlib")) / "profile.py")
assert spec is not None and spec.loader is not None
ours, sys.modules["profile"] = sys.modules.get("profile"), importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["profile"])
import cProfile  # noqa: E402, F401

del sys.modules["profile"]
if ours is not None:
    sys.modules["profile"] = ours
