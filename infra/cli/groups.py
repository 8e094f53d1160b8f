"""Defines the order and the headings under which `--help` lists the commands: the most used ones first."""

from typing import Any

import typer
from typer.core import TyperGroup

GROUPS = {
    "Run": ("demo", "up", "status", "logs", "traffic", "down", "restart", "start", "scale", "token"),
    "Break": ("chaos", "fault", "heal", "kill", "pause", "resume"),
    "Inspect": ("discovery", "order", "events", "dead", "replay", "republish", "topology"),
    "Prove": ("audit", "report"),
    "Extend": ("new", "contracts", "docs"),
    "Develop": ("test", "bench"),
}


PLAIN_PHRASES = {
    "Value error, ": "",
    "Input should be a valid number, unable to parse string as a number": "Write a number, such as 2.5.",
    "Input should be a valid integer, unable to parse string as an integer": "Write a whole number, such as 3.",
    "Input should be ": "It must be ",
}
"""Maps phrases in the libraries' messages about wrong values to plainer ones."""


class GroupedCommands(TyperGroup):
    """Lists its commands in the order of `GROUPS`, and rewords messages about wrong values with `PLAIN_PHRASES`."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Rewords a `BadParameter` error and raises it again."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            for theirs, ours in PLAIN_PHRASES.items():
                error.message = error.message.replace(theirs, ours)
            raise

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, those without a group last."""
        known = [name for names in GROUPS.values() for name in names if name in self.commands]
        return [*known, *(name for name in self.commands if name not in known)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, with its heading set. None if there is no such command."""
        command: Any = super().get_command(ctx, cmd_name)
        for heading, names in GROUPS.items():
            if command is not None and cmd_name in names:
                command.rich_help_panel = heading
        return command
