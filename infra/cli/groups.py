"""In which order commands are listed, and under which headings: what is used most comes first."""

from typing import Any

from typer.core import TyperGroup

GROUPS = {
    "Run": ("demo", "up", "status", "logs", "traffic", "down", "restart", "start", "scale", "token"),
    "Break": ("chaos", "fault", "heal", "kill", "pause", "resume"),
    "Inspect": ("order", "events", "dead", "replay", "republish", "topology"),
    "Prove": ("audit", "report"),
    "Extend": ("new", "contracts", "docs"),
    "Develop": ("test", "bench"),
}


class InGroups(TyperGroup):
    """Lists its commands as `GROUPS` has them."""

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
