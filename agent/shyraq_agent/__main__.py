"""`python -m shyraq_agent`: the same as the command `shyraq-agent`."""

from shyraq_agent.cli import main

if __name__ == "__main__":
    main()
