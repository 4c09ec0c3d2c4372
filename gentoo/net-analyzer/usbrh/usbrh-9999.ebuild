# Distributed under the terms of the MIT license

EAPI=8

DISTUTILS_USE_PEP517=hatchling
PYTHON_COMPAT=( python3_{12..14} )

inherit distutils-r1 systemd tmpfiles udev

DESCRIPTION="Bridge from Strawberry Linux USB hygrometers (USB-RH, USBRH2) to Zabbix"
HOMEPAGE="https://repository.invalid/usbrh"

# This file also installs a release: copy it to usbrh-VERSION.ebuild, then run: ebuild usbrh-VERSION.ebuild manifest
if [[ ${PV} == 9999 ]]; then
	inherit git-r3
	EGIT_REPO_URI="https://repository.invalid/usbrh"
else
	SRC_URI="https://repository.invalid/usbrh/releases/download/v${PV}/${P}.tar.gz"
	KEYWORDS="~amd64 ~arm ~arm64 ~x86"
fi

LICENSE="MIT"
SLOT="0"
IUSE="plot psk watch"
# The tests need Zabbix servers and a virtual machine. "make test" runs them.
RESTRICT="test"

# Python 3.13 and newer supports PSK without sslpsk3.
RDEPEND="
	acct-group/usbrh
	acct-user/usbrh
	dev-python/click[${PYTHON_USEDEP}]
	dev-python/pyserial[${PYTHON_USEDEP}]
	dev-python/pyusb[${PYTHON_USEDEP}]
	dev-python/pyzabbix[${PYTHON_USEDEP}]
	virtual/udev
	plot? ( dev-python/matplotlib[${PYTHON_USEDEP}] )
	psk? ( $(python_gen_cond_dep 'dev-python/sslpsk3[${PYTHON_USEDEP}]' python3_12) )
	watch? ( dev-python/rich[${PYTHON_USEDEP}] )
"

python_install_all() {
	distutils-r1_python_install_all

	udev_dorules udev/70-usbrh.rules
	newinitd openrc/usbrh.initd usbrh
	newconfd openrc/usbrh.confd usbrh
	systemd_dounit systemd/usbrh.service systemd/usbrh-send.{service,timer}
	dotmpfiles systemd/tmpfiles.d/usbrh.conf
	insinto /etc/usbrh
	doins etc/usbrh.toml
}

pkg_postinst() {
	tmpfiles_process usbrh.conf
	udev_reload

	elog "Name the Zabbix server in /etc/usbrh/usbrh.toml. Then start the service and check it:"
	elog "    rc-update add usbrh default && rc-service usbrh start"
	elog "    usbrh doctor"
	elog "A sensor that is plugged in already must be plugged in again."
}

pkg_postrm() {
	udev_reload
}
