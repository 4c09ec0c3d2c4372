/* Reads a USB-RH through libusb-1.0, by the protocol alone; nothing of usbrh is in it.
 *     libusb_reader BUS ADDRESS [SECONDS [PAUSE]]
 * asks once and prints the report as hexadecimal digits; with SECONDS it then keeps the interface that long. PAUSE is
 * how many seconds it sleeps between request and report.
 */
#include <libusb-1.0/libusb.h>
#include <stdio.h>
#include <unistd.h>

static int failed(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, libusb_error_name(error));
	return 1;
}

int main(int argc, char **argv)
{
	libusb_device **devices;
	libusb_device_handle *handle = NULL;
	unsigned char request[7] = {0}, report[8];
	unsigned int bus, address, hold = 0, pause = 0;
	int error, length = 0;

	if (argc < 3 || sscanf(argv[1], "%u", &bus) != 1 || sscanf(argv[2], "%u", &address) != 1)
		return 2;
	error = libusb_init(NULL);
	if (error)
		return failed("init", error);
	ssize_t count = libusb_get_device_list(NULL, &devices);
	for (ssize_t i = 0; i < count; i++)
		if (libusb_get_bus_number(devices[i]) == bus && libusb_get_device_address(devices[i]) == address) {
			error = libusb_open(devices[i], &handle);
			if (error)
				return failed("open", error);
		}
	if (!handle)
		return failed("find", LIBUSB_ERROR_NO_DEVICE);
	libusb_set_auto_detach_kernel_driver(handle, 1);
	error = libusb_claim_interface(handle, 0);
	if (error)
		return failed("claim", error);
	/* SET_REPORT, output report 0, interface 0 */
	error = libusb_control_transfer(handle, 0x21, 0x09, 0x0200, 0, request, sizeof request, 1000);
	if (error != (int)sizeof request)
		return failed("ask", error);
	if (argc > 4 && sscanf(argv[4], "%u", &pause) == 1)
		sleep(pause);
	error = libusb_interrupt_transfer(handle, 0x81, report, sizeof report, &length, 5000);
	if (error || length != 7)
		return failed("read", error);
	for (int i = 0; i < 7; i++)
		printf("%02x", report[i]);
	printf("\n");
	fflush(stdout);
	if (argc > 3 && sscanf(argv[3], "%u", &hold) == 1)
		sleep(hold);
	libusb_release_interface(handle, 0);
	libusb_close(handle);
	libusb_free_device_list(devices, 1);
	libusb_exit(NULL);
	return 0;
}
