"""`scalectl baselines`: what can be scaled."""

import click

from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import json_option
from scalectl.commands.shared.output import print_json, print_table


@click.command(cls=DocumentedCommand)
@click.argument("name", required=False)
@json_option
def baselines(name: str | None, as_json: bool) -> None:
    """What can be scaled, by which rounding rule, and exported to what.

    With NAME (a baseline, a file or a factory): its parts, and what each format cannot express.
    """
    from scalectl.arch.baselines import BASELINES
    from scalectl.arch.loading import find_baseline
    from scalectl.report import networks
    from scalectl.report.render import render

    network = find_baseline(name) if name else None
    if as_json:
        chosen = [network] if network else [entry.architecture for entry in BASELINES.values()]
        entries = list(map(networks.describe_baseline, chosen))
        print_json({"schema_version": 1, "baselines": entries})
    elif network:
        for table in (
            networks.tabulate_profile(network, per_stage=True),
            networks.tabulate_obstacles(network),
        ):
            click.echo(render(table, "rich"))
    else:
        print_table(networks.tabulate_baselines())
