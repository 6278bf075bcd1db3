/* SPDX-License-Identifier: BSD-3-Clause */
/* A process of the agent's own at the address of docker's name server: its standard input and
 * output lead to that one. */
#include "guests/linux/agent/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guests/linux/link/names.h"

#define ADDRESS "127.0.0.11"

int names_serve(void)
{
	struct names_end end = {.in = 0, .out = 1, .port = htons(NAMES_PORT)};
	int udp = -1;
	int tcp = -1;
	int rc = names_listen(inet_addr(ADDRESS), htons(NAMES_PORT), &udp, &tcp);

	if (rc < 0) {
		(void)fprintf(stderr, "agent: name server " ADDRESS ": %s\n", strerror(-rc));
		return 1;
	}
	end.udp = udp;
	end.tcp = tcp;
	for (int fd = 3; fd < 1024; fd++) /* no program takes its place, which would close them */
		if (fd != udp && fd != tcp)
			(void)close(fd);
	return names_run(&end) < 0;
}
