"""What train.py saves in a checkpoint beside the trainer's own, checked before a run goes on."""

from vae_np.checkpoints import read_checkpoint
from vae_np.training.resuming import checksum

TEST_IMAGES = "checksum of the test images"
EVALUATED = {"test_elbo", "test_reconstruction", "test_kl"}  # in each row of the history


def saved_settings(path):
    """The settings in a checkpoint; None if it has none."""
    saved = read_checkpoint(path)[0].get("settings")
    if not isinstance(saved, dict):
        return None
    return {name: value for name, value in saved.items() if name != TEST_IMAGES}


def checked_settings(saved, parser, path):
    """The saved settings, typed once more: ValueError where the parser would refuse one."""

    def refuse(message):
        raise ValueError(f"{path} holds settings that train.py does not take: {message}")

    parser.error = refuse
    command = []
    for name, value in saved.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            command.append(option)
        elif isinstance(value, list):
            command += [option, *map(str, value)]
        elif value is not None and value is not False:
            command.append(f"{option}={value}")
    args = vars(parser.parse_args(command))
    for name, value in saved.items():
        if args[name] != value:
            refuse(f"{name} {value}")
    return {name: args[name] for name in saved}


def check_history(history, path):
    """ValueError unless each row has what train.py evaluates."""
    if not all(EVALUATED <= row.keys() == history[-1].keys() for row in history):
        raise ValueError(f"{path} does not hold the history of a run of train.py")


def check_test_images(path, images):
    """ValueError if they are not those that the run was evaluated on."""
    known = (read_checkpoint(path)[0].get("settings") or {}).get(TEST_IMAGES)
    if known not in (None, checksum(images)):
        raise ValueError(f"the test images have changed since {path} was saved")


def note_on_threads(trainer, path):
    """What changes where a run goes on with another --threads than its checkpoint's."""
    earlier = read_checkpoint(path)[0]["threads"]
    if earlier == trainer.threads:
        return ""
    return (
        f"\nIt goes on with --threads {trainer.threads}, not {earlier}: the results may differ in "
        "the last bits from those of a run that was never stopped."
    )


def check_places(folder, names):
    """OSError if a folder has the name of one of a run's files: before any of them is removed."""
    for name in names:
        if (folder / name).is_dir():
            raise OSError(f"{folder / name} is a folder, where a file is to be: move it away")
