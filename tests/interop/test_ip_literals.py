"""The main scenarios again, between servers whose names are IP literals with a port."""

import pytest

from test_aliases import test_alias_of_the_other_server_resolves as test_alias  # noqa: F401
from test_invite import test_invite_and_join, test_invite_and_reject  # noqa: F401
from test_join import test_join_by_alias, test_join_by_id  # noqa: F401
from test_leave import test_leave_and_rejoin  # noqa: F401
from test_moderation import test_kick_the_only_user_of_a_server  # noqa: F401
from test_profile import test_profile_of_a_remote_user  # noqa: F401
from test_relations import test_redaction  # noqa: F401

# How a server is named has nothing to do with the room's version; one of the old ones and the newest will do.
pytestmark = pytest.mark.versions("10", "12")


@pytest.fixture
def names():
    return "ip"
