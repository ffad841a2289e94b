"""``python -m fac_core.cli`` is ``fac``."""

from fac_core.cli import main

if __name__ == "__main__":
    main()
