# Distributed under the terms of the MIT license

EAPI=8

DISTUTILS_USE_PEP517=setuptools
PYTHON_COMPAT=( python3_{12..14} )

inherit distutils-r1 pypi

DESCRIPTION="Python interface to the Zabbix API"
HOMEPAGE="
	https://github.com/lukecyca/pyzabbix
	https://pypi.org/project/pyzabbix/
"

LICENSE="LGPL-2.1+"
SLOT="0"
KEYWORDS="~amd64 ~arm ~arm64 ~x86"
# The source archive has no tests.
RESTRICT="test"

RDEPEND="
	dev-python/packaging[${PYTHON_USEDEP}]
	dev-python/requests[${PYTHON_USEDEP}]
"
