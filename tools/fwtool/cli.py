"""fwtool: the host side of ufota. Keys, images, manifests, headers, layouts, a virtual board.

Owns the list of commands and turns every refusal into one line and an exit code.
A command's module is imported when it is asked for, so --help stays quick.
"""

import importlib

import rich_click as click

from fwcore.errors import FwError
from fwtool import exits, files, refusals

# name -> module:attribute, in the order of a first project
COMMANDS = {
    "keygen": "fwtool.signing.keys:keygen",
    "tables": "fwtool.signing.keys:tables",
    "image": "fwtool.images.image:image",
    "stage": "fwtool.images.stage:stage",
    "manifest": "fwtool.signing.manifests:manifest",
    "bundle": "fwtool.signing.bundles:bundle",
    "delta": "fwtool.payloads.delta:delta",
    "header": "fwtool.images.headers:header",
    "layout": "fwtool.images.layouts:layout",
    "combine": "fwtool.images.combine:combine",
    "factory": "fwtool.images.factory:factory",
    "boot": "fwtool.virtual.boot:boot",
    "state": "fwtool.virtual.state:state",
    "run": "fwtool.virtual.run:run",
    "provision": "fwtool.device.provision:provision",
    "deploy": "fwtool.device.deploy:deploy",
    "device": "fwtool.device.device:device",
    "serve": "fwtool.server.serve:serve",
    "demo": "fwtool.demos.demo:demo",
    "demo-mqtt": "fwtool.demos.demo_mqtt:demo_mqtt",
    "explain": "fwtool.explain:explain",
}


class Tool(click.RichGroup):
    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        return getattr(importlib.import_module(module), attribute)

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends quietly: `fwtool ... | head`
        except (FwError, exits.Failure, OSError, UnicodeError) as error:
            refusal = refusals.failure(error)
        click.echo(f"fwtool: {files.plain(str(refusal))}", err=True)
        ctx.exit(refusal.exit_code)


@click.group(cls=Tool, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ufota", prog_name="fwtool")
def main():
    """Firmware updates for MicroPython: everything that happens on the host.

    Exit codes: 0 ok, 1 failed, 2 usage, 3 verification failed, 4 device or transport,
    5 refused by policy.
    """


if __name__ == "__main__":
    main()
