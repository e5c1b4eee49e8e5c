"""The `--help` of commands: options in groups, and examples."""

import click

EXAMPLES = {
    "nas": {
        "scalectl nas --macs 400M --trials 100": "better stages than EfficientNet-B0's, without data",
        "scalectl nas --sampler tpe --sampler random --data folder:photos -o runs/nas": "and the "
        "control, at equal trials",
        "scalectl nas my_space.toml --baseline mobilenetv2_100": "your own choices, from another start",
    },
    "grid": {
        "scalectl grid": "the default search, which needs no data",
        "scalectl grid --data folder:photos -o runs/photos --dry-run": "what your images would take",
        "scalectl grid paper --time-budget 2h --data folder:photos": "the paper's search, as far as "
        "time allows",
    },
    "scale": {
        "scalectl scale --phi 4": "16 times the compute, by the newest run or the paper",
        "scalectl scale --from runs/photos --macs 1.2G --to timm": "what fits a budget, for timm",
        "scalectl scale --baseline resnet50 --family --to torch -o sizes": "seven sizes, as modules",
    },
    "report": {
        "scalectl report": "the newest run",
        "scalectl report runs/photos --all": "all of its tables",
        "scalectl report runs/a runs/b --html both.html": "two runs on one page",
    },
    "merge": {
        "scalectl merge part-1 part-2 -o runs/all": "two shards",
        "scalectl merge part-* -o runs/all --json": "all shards, for a script",
        "scalectl merge runs/mine other/runs/theirs -o runs/ours": "what two machines have found",
    },
    "profile": {
        "scalectl profile b4": "a published network",
        "scalectl profile my_net.toml --per-stage": "your own stages, one by one",
        "scalectl profile my_nets:build@160 --measure": "your own code, timed on this machine",
    },
    "verify": {
        "scalectl verify sizes/resnet50_phi2_torch.py": "one file",
        "scalectl verify sizes/resnet50_phi2": "a folder for transformers",
        "scalectl verify sizes/resnet50_phi2.toml sizes/resnet50_phi4.toml --json": "several, for a "
        "script",
    },
    "baselines": {
        "scalectl baselines": "all of them",
        "scalectl baselines mobilenetv2_100": "one: its parts, and what each format lacks",
        "scalectl baselines my_net.toml --json": "your own, for a script",
    },
}
"""Command -> an example and what it gives. Each is one that the command takes."""

_GROUPS = {
    "nas": {
        "What is searched": (
            "baseline",
            "macs",
            "latency",
            "latency_on",
            "data",
            "trials",
            "time_budget",
            "samplers",
            "objective",
            "overrides",
        ),
        "Where it runs": ("run", "device", "jobs", "executor", "address", "shard", "stall"),
        "Before": ("dry_run", "no_probe"),
        "What is printed": ("quiet", "events", "as_json", "logs"),
    },
    "grid": {
        "What is searched": ("baseline", "data", "seeds", "time_budget", "overrides"),
        "Where it runs": ("run", "device", "jobs", "executor", "address", "shard", "stall"),
        "Before and after": ("dry_run", "no_probe", "require"),
        "What is printed": ("quiet", "events", "as_json", "logs", "optuna_storage"),
    },
    "scale": {
        "How large": (
            *("phi", "macs", "params", "activations", "at_most", "latency", "memory", "device"),
            *("family", "official"),
        ),
        "From what": ("run", "coefficients", "baseline", "max_resolution", "rounding"),
        "Configs": ("formats", "folder", "no_verify", "weights", "classes", "channels"),
    },
    "report": {
        "On the terminal": ("table", "everything", "form", "as_json", "watch"),
        "Into files": ("page", "folder"),
    },
}
"""Command -> heading -> names of options; those in no group stand below the others."""


class DocumentedCommand(click.Command):
    """A command whose help has its options in groups, and examples."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups = _GROUPS.get(self.name or "", {})
        grouped = {name for names in groups.values() for name in names}
        params = {param.name: param for param in self.get_params(ctx)}
        rest = [name for name in params if name not in grouped]
        for title, names in {**groups, "Other options" if groups else "Options": rest}.items():
            lines = [params[name].get_help_record(ctx) for name in names if name in params]
            with formatter.section(title):
                formatter.write_dl([line for line in lines if line])

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for command, what in EXAMPLES.get(self.name or "", {}).items():
                formatter.write(f"{'':{formatter.current_indent}}{command}\n")
                formatter.indent()
                formatter.write_text(what)
                formatter.dedent()
