/* SPDX-License-Identifier: BSD-3-Clause */
/* xfer: dom0's side of pattern transfers with a test guest: `xfer put|get HOST PORT MIB`, `xfer
 * serve PORT`. */
#include "guest/xfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int serve(unsigned int port)
{
	int at = xfer_listen(port);

	if (at < 0) {
		perror("xfer: listen");
		return 1;
	}
	for (;;) {
		int fd = accept(at, NULL, NULL);

		if (fd < 0)
			continue;
		if (xfer_serve(fd))
			(void)fprintf(stderr, "xfer: a transfer FAILED\n");
		close(fd);
	}
}

int main(int argc, char **argv)
{
	unsigned long long bytes;
	int fd, rc;

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve((unsigned int)strtoul(argv[2], NULL, 10));
	if (argc != 5 || (strcmp(argv[1], "put") != 0 && strcmp(argv[1], "get") != 0)) {
		(void)fprintf(stderr, "usage: xfer put|get HOST PORT MIB; xfer serve PORT\n");
		return 2;
	}
	bytes = strtoull(argv[4], NULL, 10) << 20;
	fd = xfer_connect(argv[2], argv[3]);
	if (fd < 0) {
		(void)fprintf(stderr, "xfer: %s port %s does not answer\n", argv[2], argv[3]);
		return 1;
	}
	rc = strcmp(argv[1], "put") ? xfer_get(fd, bytes) : xfer_put(fd, bytes);
	close(fd);
	printf("%s %llu bytes %s\n", argv[1], bytes, rc ? "FAILED" : "verified");
	return rc ? 1 : 0;
}
