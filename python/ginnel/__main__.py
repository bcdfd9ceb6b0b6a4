"""`python -m ginnel`."""

import sys

from ginnel.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
