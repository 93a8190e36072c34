"""How `--help` looks: options and commands in groups, whole sentences, examples at the end.

Typer draws groups with rich only, which `--help` must not load; so these classes write them as plain text. They use
what typer's own command classes have had since 0.15, under the click of that time and under typer's own.
"""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

OTHER = "Other"
# Typer puts a default that is only described in parentheses, writes bounds as formulas, and escapes for rich in 0.15.
_READABLE = (
    (re.compile(r"\\\["), "["),
    (re.compile(r"\[default: \(([^\[\]]*)\)"), r"[default: \1"),
    (re.compile(r"(\d+)<=x<=(\d+)\]$"), r"\1 to \2]"),
    (re.compile(r"x>=(\d+)\]$"), r"\1 or more]"),
)
# The kind of an argument says less than its name: PICTURES <list[str]>.
_KIND = re.compile(r" <[^<>]*>$")


class Command(TyperCommand):
    """A command whose options stand in their panels, and whose epilog is its examples, a line each."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each panel of options."""
        _write_parameters(self.get_params(ctx), ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are: a wrapped command line cannot be copied."""
        _write_examples(self.epilog, formatter)


class Group(TyperGroup):
    """Commands in their panels, each with the whole first paragraph of its help."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                text = (command.help or "").split("\n\n", 1)[0]
                panels.setdefault(_panel(command, "Commands"), []).append((name, " ".join(text.split())))
        # One width for the names, so that the panels line up.
        width = max((len(name) for rows in panels.values() for name, _ in rows), default=0)
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl([(f"{name:<{width}}", text) for name, text in rows])
        _write_parameters(self.get_params(ctx), ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are."""
        _write_examples(self.epilog, formatter)


class DefaultGroup(Group):
    """A group that runs its first command when none is named: `bench --rounds 5` is `bench latency --rounds 5`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "subcommand_metavar": "[COMMAND] [ARGS]..."})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the first command before arguments that begin with none."""
        asks_for_help = bool(args) and args[0] in ctx.help_option_names
        names_none = not args or args[0].startswith("-")
        # The shell completes what is written, and after nothing that may be a command.
        if names_none and not asks_for_help and not ctx.resilient_parsing:
            args = [self.list_commands(ctx)[0], *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete commands, and options of the first command."""
        found = super().shell_complete(ctx, incomplete)
        default = self.get_command(ctx, self.list_commands(ctx)[0])
        if not incomplete.startswith("-") or default is None:
            return found
        known = {item.value for item in found}
        return [*found, *(item for item in default.shell_complete(ctx, incomplete) if item.value not in known)]


def _panel(thing: Any, otherwise: str) -> str:
    # Unset, it is None here and a placeholder of typer's there.
    name = getattr(thing, "rich_help_panel", None)
    return name if isinstance(name, str) else otherwise


def _write_parameters(parameters: Any, ctx: Any, formatter: Any) -> None:
    panels: dict[str, list[tuple[str, str]]] = {"Arguments": []}
    for parameter in parameters:
        record = parameter.get_help_record(ctx)
        if record is not None:
            name, text = record
            for formula, words in _READABLE:
                text = formula.sub(words, text)
            if parameter.param_type_name == "argument":
                panels["Arguments"].append((_KIND.sub("", name), text))
            else:
                panels.setdefault(_panel(parameter, OTHER), []).append((name, text))
    if panels.keys() <= {"Arguments", OTHER} and OTHER in panels:
        panels["Options"] = panels.pop(OTHER)
    elif OTHER in panels:
        panels[OTHER] = panels.pop(OTHER)
    for panel, rows in panels.items():
        if rows:
            with formatter.section(panel):
                formatter.write_dl(rows)


def _write_examples(examples: str | None, formatter: Any) -> None:
    lines = (examples or "").splitlines()
    if lines:
        with formatter.section("Example" if len(lines) == 1 else "Examples"):
            for line in lines:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
