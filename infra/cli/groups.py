"""In which order commands are listed, and under which headings: what is used most comes first."""

from typing import Any

import typer
from typer.core import TyperGroup

GROUPS = {
    "Run": ("demo", "up", "status", "logs", "traffic", "down", "restart", "start", "scale", "token"),
    "Break": ("chaos", "fault", "heal", "kill", "pause", "resume"),
    "Inspect": ("order", "events", "dead", "replay", "republish", "topology"),
    "Prove": ("audit", "report"),
    "Extend": ("new", "contracts", "docs"),
    "Develop": ("test", "bench"),
}


PLAIN = {
    "Value error, ": "",
    "Input should be a valid number, unable to parse string as a number": "Write a number, such as 2.5.",
    "Input should be a valid integer, unable to parse string as an integer": "Write a whole number, such as 3.",
    "Input should be ": "It has to be ",
}
"""What the library says of a wrong value, and what we say."""


class InGroups(TyperGroup):
    """Lists its commands as `GROUPS` has them, and says in plain words what is wrong with a value."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            for theirs, ours in PLAIN.items():
                error.message = error.message.replace(theirs, ours)
            raise

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, those without a group last."""
        known = [name for names in GROUPS.values() for name in names if name in self.commands]
        return [*known, *(name for name in self.commands if name not in known)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, with its heading."""
        command: Any = super().get_command(ctx, cmd_name)
        for heading, names in GROUPS.items():
            if command is not None and cmd_name in names:
                command.rich_help_panel = heading
        return command
