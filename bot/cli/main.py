"""The command line: one table of commands, the exit codes of bot.md §2.6."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli import commands, doctor, inspect, paper, record, rehearse, run, shadowing
from bot.cli.document import Printer
from bot.config.settings import Settings, load
from bot.logs import Logging, Redactor
from bot.model.errors import BotError

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Account = Annotated[int | None, typer.Option("--account", help="Account id; never replaced by another one.")]
Files = Annotated[list[Path] | None, typer.Option("--config", help="TOML file; later ones win.")]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="A futures trading bot for TopstepX.",
    pretty_exceptions_enable=False,
)
flags_app = typer.Typer(
    help="Stages of the components: who is authority, what runs in shadow.", invoke_without_command=True
)
shadow_app = typer.Typer(help="Evidence of the shadow: reports, pause, resume.", no_args_is_help=True)
config_app = typer.Typer(help="Settings.", no_args_is_help=True)
app.add_typer(flags_app, name="flags")
app.add_typer(shadow_app, name="shadow")
app.add_typer(config_app, name="config")


def main() -> None:
    """Entry of the `bot` script."""
    app()


def settings_of(files: list[Path] | None, account: int | None = None, **more: Any) -> Settings:
    """Settings from all sources. Raises ConfigError."""
    given = {
        name: value for name, value in {"accounts.default": account, **more}.items() if value is not None
    }
    return load(files, cli=given)


def finish(printer: Printer, work: Coroutine[Any, Any, int]) -> None:
    """Run a command to its exit code; an error is printed as what it is."""
    try:
        code = asyncio.run(work)
    except BotError as problem:
        code = printer.failure(problem)
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)


def loaded(printer: Printer, files: list[Path] | None, account: int | None = None, **more: Any) -> Settings:
    """Settings, or the end of the command with all problems; logs go to standard error."""
    try:
        settings = settings_of(files, account, **more)
    except BotError as problem:
        raise typer.Exit(printer.failure(problem)) from problem
    Logging(None, Redactor(settings.secrets()), console_level="ERROR")
    return settings


@app.command("run")
def run_command(
    config: Files = None,
    account: Account = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose")] = False,
) -> None:
    """The bot: strategies, watchdog, shadow, API, and a prompt when there is a terminal."""
    printer = Printer("run", as_json=False)
    finish(printer, run.run(loaded(printer, config, account), verbose=verbose))


@app.command()
def status(as_json: Json = False, config: Files = None) -> None:
    """State, reconciliation, hubs, budgets, strategies and shields of the running bot."""
    printer = Printer("status", as_json=as_json)
    finish(printer, commands.status(loaded(printer, config), printer))


@app.command()
def positions(as_json: Json = False, account: Account = None, config: Files = None) -> None:
    """Open positions with stop, target, result and shield."""
    printer = Printer("positions", as_json=as_json)
    finish(printer, commands.positions(loaded(printer, config, account), printer))


@app.command()
def orders(
    as_json: Json = False,
    account: Account = None,
    config: Files = None,
    everything: Annotated[bool, typer.Option("--all", help="Ended ones too.")] = False,
) -> None:
    """Working orders, suspended bracket legs included."""
    printer = Printer("orders", as_json=as_json)
    finish(printer, commands.orders(loaded(printer, config, account), printer, everything=everything))


@app.command()
def flatten(
    symbol: Annotated[str | None, typer.Argument(help="One symbol; default all.")] = None,
    as_json: Json = False,
    yes: Yes = False,
    account: Account = None,
    config: Files = None,
    halt: Annotated[bool, typer.Option("--halt", help="Halt first.")] = False,
    allow_live: Annotated[
        bool, typer.Option("--allow-live", help="Close on an account not enabled for trading.")
    ] = False,
) -> None:
    """Cancel, close, cancel, verify. Exit 0 only when the venue proves it is flat."""
    printer = Printer("flatten", as_json=as_json)
    settings = loaded(printer, config, account)
    finish(printer, commands.flatten(settings, printer, symbol, yes=yes, halt=halt, allow_live=allow_live))


@app.command("doctor")
def doctor_command(as_json: Json = False, account: Account = None, config: Files = None) -> None:
    """Self-check: configuration, login, account, hubs, database, builds. Exit 14 when something fails."""
    printer = Printer("doctor", as_json=as_json)
    finish(printer, doctor.doctor(loaded(printer, config, account), printer))


@app.command("paper")
def paper_command(
    port: Annotated[int, typer.Option(help="0 = any free port.")] = 0,
    control_port: Annotated[int, typer.Option()] = 0,
    start: Annotated[str, typer.Option(help="New York wall time of the first start.")] = paper.DEFAULT_START,
    rate: Annotated[float, typer.Option(help="Venue seconds per real second, 1 to 60.")] = 1.0,
    seed: Annotated[int, typer.Option()] = 1,
    density: Annotated[str, typer.Option(help="light or full")] = "light",
    roots: Annotated[str, typer.Option(help="Symbols, separated by commas.")] = "MNQ,MES",
    scenario: Annotated[str, typer.Option()] = "breakout",
    tape: Annotated[
        list[str] | None,
        typer.Option(help="CSV, DBN or a folder of `bot record`, also as MNQ=file; repeatable."),
    ] = None,
    tape_lead: Annotated[
        int, typer.Option("--tape-lead", help="Seconds at the tape's begin that become history.")
    ] = 0,
    profile: Annotated[
        str, typer.Option(help="realistic or fast: the venue's delays, or none.")
    ] = "realistic",
    username: Annotated[str, typer.Option()] = "paper",
    state: Annotated[Path | None, typer.Option(help="State folder; default: in the bot's.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="HTTPS and WSS, with a certificate of its own.")] = False,
    tls_fault: Annotated[
        str | None, typer.Option(help="A certificate with a fault: wrong_name, expired or unknown.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="name=value of docs/paper-gateway.md; may be repeated.")
    ] = None,
    transcript: Annotated[
        Path | None, typer.Option(help="Write what crosses the wire to this file, without credentials.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="YAML file of faults and moves (docs/faults.md).")
    ] = None,
    check_script: Annotated[
        Path | None, typer.Option(help="Check a script and print its plan; nothing is started.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan of --script; start nothing.")
    ] = False,
    inspect_: Annotated[
        bool, typer.Option("--inspect", help="Show what the running gateway of the state folder knows.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="With --inspect: one frame.")] = False,
    config: Files = None,
) -> None:
    """A local ProjectX venue: REST and SignalR on loopback, any client can connect."""
    printer = Printer("paper", as_json=False)
    settings = loaded(printer, config)
    if inspect_:
        where = state or settings.state_folder / "paper"
        finish(printer, inspect.inspect(where, printer.console, once=once))
    if once:
        raise typer.BadParameter("it goes with --inspect", param_hint="'--once'")
    key = settings.paper.api_key.reveal() if settings.paper.api_key else paper.DEFAULT_KEY
    folder = state or settings.state_folder / "paper"
    finish(
        printer,
        paper.serve(
            port=port, control_port=control_port, start=start, rate=rate, seed=seed, density=density, roots=roots,
            scenario=scenario, tapes=tape or (), tape_lead_s=tape_lead, profile=profile,
            username=username, api_key=key, folder=folder,
            transcript=transcript, tls=tls_fault or ("good" if tls else None),
            options=settings.paper.options, given=option or (),
            script=check_script or script, dry_run=dry_run or check_script is not None,
        ),
    )  # fmt: skip


@app.command("record")
def record_command(
    out: Annotated[Path, typer.Option("--out", help="Folder of the recording.")],
    symbols: Annotated[str, typer.Option(help="Symbols, separated by commas.")] = "MNQ,MES",
    for_: Annotated[float | None, typer.Option("--for", help="Seconds; default: until interrupted.")] = None,
    file_mib: Annotated[int, typer.Option("--file-mib", min=1, help="Bound of one file.")] = 256,
    total_mib: Annotated[
        int, typer.Option("--total-mib", min=1, help="Bound of all; recording ends there.")
    ] = 8192,
    as_json: Json = False,
    config: Files = None,
) -> None:
    """The raw frames of both hubs, read-only, as a tape for `bot paper --tape`."""
    printer = Printer("record", as_json=as_json)
    plan = record.Plan(
        folder=out,
        symbols=tuple(dict.fromkeys(each.strip() for each in symbols.split(",") if each.strip())),
        seconds=for_,
        file_bytes=file_mib << 20,
        total_bytes=total_mib << 20,
    )
    finish(printer, record.record(loaded(printer, config), printer, plan))


@app.command("rehearse")
def rehearse_command(
    seed: Annotated[int, typer.Option()] = 1,
    rate: Annotated[float, typer.Option(help="Venue seconds per real second.")] = 10.0,
    seconds: Annotated[float, typer.Option(help="Real seconds of trading.")] = 90.0,
    start: Annotated[str, typer.Option(help="New York wall time.")] = paper.DEFAULT_START,
    roots: Annotated[str, typer.Option()] = "MNQ,MES",
    density: Annotated[str, typer.Option()] = "light",
    scenario: Annotated[str, typer.Option()] = "breakout",
    folder: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("var/run"),
    as_json: Json = False,
) -> None:
    """A paper session in four processes, then its report. Exit 0 only if the gateway's judge found nothing wrong."""
    printer = Printer("rehearse", as_json=as_json)
    plan = rehearse.Plan(
        seed=seed,
        rate=rate,
        seconds=seconds,
        start=start,
        roots=roots,
        density=density,
        scenario=scenario,
        folder=folder,
    )
    finish(printer, rehearse.rehearse(plan, printer))


@flags_app.callback()
def flags(context: typer.Context, as_json: Json = False, config: Files = None) -> None:
    """Stages, candidates, verdicts and next steps."""
    if context.invoked_subcommand is None:
        printer = Printer("flags", as_json=as_json)
        finish(printer, shadowing.flags(loaded(printer, config), printer))


@flags_app.command("set")
def flags_set(
    component: str,
    stage: str,
    as_json: Json = False,
    config: Files = None,
    candidates: Annotated[
        str | None, typer.Option(help="rust, cython or both; default: what is built.")
    ] = None,
    slice_: Annotated[
        str | None, typer.Option("--slice", help="For canary, e.g. contract:CON.F.US.MNQ.Z25.")
    ] = None,
    reason: Annotated[str, typer.Option()] = "",
    override: Annotated[
        bool, typer.Option("--override", help="Without a passed gate; audited, wants --reason.")
    ] = False,
) -> None:
    """Change the stage of one component; written with an audit row."""
    printer = Printer("flags set", as_json=as_json)
    settings = loaded(printer, config)
    change = shadowing.Change(component, stage, candidates, slice_, reason, override)
    finish(printer, shadowing.set_flag(settings, printer, change))


@shadow_app.command("report")
def shadow_report(
    as_json: Json = False,
    config: Files = None,
    html: Annotated[Path | None, typer.Option(help="Write the page here.")] = None,
    evidence: Annotated[Path | None, typer.Option(help="Another evidence file.")] = None,
) -> None:
    """Is the twin the same, is it faster, and what did shadowing cost the bot?"""
    printer = Printer("shadow report", as_json=as_json)
    finish(printer, shadowing.report(loaded(printer, config), printer, html, evidence))


@shadow_app.command("pause")
def shadow_pause(config: Files = None) -> None:
    """Compare nothing until resumed; the journal goes on."""
    printer = Printer("shadow pause", as_json=False)
    finish(printer, shadowing.pause(loaded(printer, config), printer, paused=True))


@shadow_app.command("resume")
def shadow_resume(config: Files = None) -> None:
    """Go on comparing."""
    printer = Printer("shadow resume", as_json=False)
    finish(printer, shadowing.pause(loaded(printer, config), printer, paused=False))


@config_app.command("show")
def config_show(as_json: Json = False, config: Files = None) -> None:
    """Effective values with their origin; secrets masked."""
    printer = Printer("config show", as_json=as_json)
    finish(printer, commands.config_show(loaded(printer, config), printer))


@config_app.command("check")
def config_check(as_json: Json = False, config: Files = None) -> None:
    """Read everything, start nothing. Exit 3 with all problems at once."""
    printer = Printer("config check", as_json=as_json)
    finish(printer, commands.config_check(loaded(printer, config), printer))
