"""Memory of a confirmed booking, in a process of its own so that nothing freed before is used again."""

import subprocess
import sys

from .bench_engine import bytes_a_booking
from .figures import Figure


def run(*, full: bool) -> list[Figure]:
    count = 1_000_000 if full else 200_000
    done = subprocess.run(
        [sys.executable, "-m", "onsale.loadtest.bench_memory", str(count)], capture_output=True, text=True, check=True
    )
    return [Figure("memory", f"a confirmed booking, of {count:,}", float(done.stdout), "bytes", "≤ 700")]


if __name__ == "__main__":
    print(bytes_a_booking(int(sys.argv[1])))
