# Distributed under the terms of the MIT license

EAPI=8

inherit acct-group

DESCRIPTION="Group that may use USB hygrometers and read their journal"
ACCT_GROUP_ID=-1
