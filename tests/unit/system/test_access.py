"""The accounts of the computer that runs the tests."""

import pwd

from usbrh.system.access import ThisComputer

UNUSED = 4_294_967_290


def test_a_user_without_a_name_is_a_number() -> None:
    computer = ThisComputer()
    assert computer.user_name(0) == pwd.getpwuid(0).pw_name
    assert (computer.user_name(UNUSED), computer.group_name(UNUSED)) == (str(UNUSED), str(UNUSED))
