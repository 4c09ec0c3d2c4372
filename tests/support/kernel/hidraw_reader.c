/* Reads a USB-RH through /dev/hidraw, by the protocol alone; nothing of usbrh is in it.
 *     hidraw_reader /dev/hidraw0 [SECONDS]
 * asks once and prints the report as hexadecimal digits; with SECONDS it then keeps the node open that long.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned char request[8] = {0}; /* a report number, 0 for none, and the 7 bytes */
	unsigned char report[8];
	unsigned int hold = 0;

	if (argc < 2)
		return 2;
	int device = open(argv[1], O_RDWR);
	if (device < 0) {
		perror(argv[1]);
		return 1;
	}
	if (write(device, request, sizeof request) != sizeof request) {
		perror("write");
		return 1;
	}
	struct pollfd answer = {.fd = device, .events = POLLIN};
	if (poll(&answer, 1, 5000) != 1) {
		fprintf(stderr, "no answer\n");
		return 1;
	}
	ssize_t length = read(device, report, sizeof report);
	if (length != 7) {
		fprintf(stderr, "%zd bytes\n", length);
		return 1;
	}
	for (int i = 0; i < 7; i++)
		printf("%02x", report[i]);
	printf("\n");
	fflush(stdout);
	if (argc > 2 && sscanf(argv[2], "%u", &hold) == 1)
		sleep(hold);
	return 0;
}
