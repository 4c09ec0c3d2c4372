# Distributed under the terms of the MIT license

EAPI=8

inherit acct-user

DESCRIPTION="USB hygrometers"
ACCT_USER_ID=-1
ACCT_USER_GROUPS=( usbrh )
# The journal
ACCT_USER_HOME=/var/lib/usbrh
ACCT_USER_HOME_PERMS=0750

acct-user_add_deps
