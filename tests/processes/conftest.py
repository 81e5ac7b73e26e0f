import sys
from pathlib import Path

# tests/ is no package (see tests/test_tidy.py), so what its files share is found by path
sys.path.insert(0, str(Path(__file__).parent))
