# Distributed under the terms of the MIT license

EAPI=8

DISTUTILS_EXT=1
DISTUTILS_USE_PEP517=poetry
PYTHON_COMPAT=( python3_12 )

inherit distutils-r1 pypi

DESCRIPTION="TLS with a pre-shared key for Python's ssl module"
HOMEPAGE="https://pypi.org/project/sslpsk3/"

LICENSE="Apache-2.0"
SLOT="0"
KEYWORDS="~amd64 ~arm ~arm64 ~x86"
# The source archive has no tests.
RESTRICT="test"

DEPEND="dev-libs/openssl:="
RDEPEND="${DEPEND}"
BDEPEND="dev-python/setuptools[${PYTHON_USEDEP}]"
