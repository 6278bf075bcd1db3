/* SPDX-License-Identifier: BSD-3-Clause */
/* Between docker's name server and the VM of its container. */
#include "oci/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "guests/linux/link/names.h"

#define TEXT_MAX 65536

/* --- whether there is one --- */

bool resolver_named(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char word[16];
		char address[64];

		if (sscanf(text, "%15s %63s", word, address) == 2 &&
		    text + strspn(text, " \t") < text + len && strcmp(word, "nameserver") == 0 &&
		    strcmp(address, RESOLVER_ADDRESS) == 0)
			return true;
		text += len + (text[len] == '\n');
	}
	return false;
}

static bool file_names_it(const char *path)
{
	static char text[TEXT_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return resolver_named(text);
}

static bool has_own_network(const struct bundle *b)
{
	const json_t *v;
	size_t i;

	json_array_foreach(bundle_get(b, "linux.namespaces"), i, v)
	{
		const char *type = json_string_value(json_object_get(v, "type"));

		if (type && strcmp(type, "network") == 0)
			return !json_object_get(v, "path");
	}
	return false;
}

bool resolver_wanted(const struct bundle *b)
{
	const json_t *v;
	size_t i;

	if (!has_own_network(b))
		return false;
	json_array_foreach(bundle_get(b, "mounts"), i, v)
	{
		const char *to = json_string_value(json_object_get(v, "destination"));
		const char *source = json_string_value(json_object_get(v, "source"));

		if (to && source && strcmp(to, "/etc/resolv.conf") == 0)
			return file_names_it(source);
	}
	return false;
}

/* --- in the namespace --- */

/* "ip route add local default dev lo table local" */
static int take_all(struct err *e)
{
	struct {
		struct nlmsghdr h;
		struct rtmsg r;
		struct rtattr a;
		uint32_t lo;
	} rq = {.h = {.nlmsg_len = sizeof(rq),
		      .nlmsg_type = RTM_NEWROUTE,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE},
		.r = {.rtm_family = AF_INET,
		      .rtm_table = RT_TABLE_LOCAL,
		      .rtm_protocol = RTPROT_STATIC,
		      .rtm_scope = RT_SCOPE_HOST,
		      .rtm_type = RTN_LOCAL},
		.a = {.rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = RTA_OIF},
		.lo = if_nametoindex("lo")};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t rest[256];
	} answer = {0};
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int rc = 0;

	if (s < 0 || send(s, &rq, sizeof(rq), 0) < 0 || recv(s, &answer, sizeof(answer), 0) < 0)
		rc = -errno;
	else if (answer.h.nlmsg_type == NLMSG_ERROR)
		rc = answer.e.error;
	if (s >= 0)
		(void)close(s);
	return rc < 0 ? err_sys(e, -rc,
				"name server " RESOLVER_ADDRESS ": set a route in the "
				"container's network namespace")
		      : 0;
}

static void resolver_close(struct resolver *r)
{
	if (r->udp >= 0)
		(void)close(r->udp);
	if (r->tcp >= 0)
		(void)close(r->tcp);
	*r = (struct resolver){-1, -1};
}

int resolver_open(struct resolver *r, struct err *e)
{
	int rc = names_listen(INADDR_ANY, htons(NAMES_PORT), &r->udp, &r->tcp);

	if (rc < 0)
		return err_sys(e, -rc,
			       "name server " RESOLVER_ADDRESS ": listen at port %u of the "
			       "container's network namespace",
			       NAMES_PORT);
	rc = take_all(e);
	if (rc < 0)
		resolver_close(r);
	return rc;
}

/* Nothing of the monitor's stays open: an engine waits for the end of its files. */
static __attribute__((noreturn)) void serve(const struct resolver *r, int stream)
{
	int keep[3] = {r->udp, r->tcp, stream};
	struct names_end end = {.in = 2,
				.out = 2,
				.udp = 0,
				.tcp = 1,
				.server = inet_addr(RESOLVER_ADDRESS),
				.port = htons(NAMES_PORT)};

	for (int i = 0; i < 3; i++)
		if (dup2(keep[i], i) < 0)
			_exit(1);
	(void)syscall(SYS_close_range, 3, ~0U, 0);
	_exit(names_run(&end) < 0 ? 1 : 0);
}

int resolver_start(struct resolver *r, struct err *e)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "name server " RESOLVER_ADDRESS ": socketpair");
	pid = fork();
	if (pid == 0)
		serve(r, pair[1]);
	(void)close(pair[1]);
	resolver_close(r);
	if (pid > 0)
		return pair[0];
	(void)close(pair[0]);
	return err_sys(e, errno, "name server " RESOLVER_ADDRESS ": fork");
}
