"""`python -m shyraq_collector`: the same as the command `shyraq-collector`."""

from shyraq_collector.cli import main

if __name__ == "__main__":
    main()
