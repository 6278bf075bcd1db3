/* SPDX-License-Identifier: BSD-3-Clause */
/* The words ready=, mac= and ip= of a flavor. */
#include "split-toolstack/engine/config/booted_plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mac.h"

/* Addresses of a range, at the most. */
#define RANGE_MAX 65536u

/* A decimal number and nothing else; 0: it is none from 1 to `most`. */
static uint32_t number(const char *text, uint32_t most)
{
	char *end = NULL;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	n = strtoul(text, &end, 10);
	return *end || errno || n > most ? 0 : (uint32_t)n;
}

/* --- ready --- */

static bool is_node(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < len; i++) {
		bool slash = path[i] == '/';

		if (slash && (i == 0 || i + 1 == len || path[i + 1] == '/'))
			return false;
		if (!slash && !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_@.:+",
				      path[i]))
			return false;
	}
	return len > 0;
}

static int read_when(const char *text, struct booted_plan *p, struct err *e)
{
	if (!*text || strcmp(text, "devices") == 0)
		return 0;
	if (strncmp(text, "store:", 6) == 0 && is_node(text + 6)) {
		p->when = BOOTED_STORE;
		(void)snprintf(p->node, sizeof(p->node), "%s", text + 6);
		return 0;
	}
	if (strncmp(text, "tcp:", 4) == 0) {
		p->when = BOOTED_TCP;
		p->number = number(text + 4, 65535);
	} else {
		p->when = BOOTED_TIME;
		p->number = number(text, BOOTED_MS_MAX);
	}
	if (p->number)
		return 0;
	return err_set(e, EINVAL,
		       "pool: ready \"%s\": give devices, store:NODE (below the domain's own, such "
		       "as store:data/ready), tcp:PORT, or 1 to %u milliseconds",
		       text, BOOTED_MS_MAX);
}

/* --- ranges --- */

/* "A-B" in two, or "A" twice. False: too long. */
static bool split(const char *text, char first[POOL_RANGE_MAX], char last[POOL_RANGE_MAX])
{
	const char *dash = strchr(text, '-');
	size_t n = dash ? (size_t)(dash - text) : strlen(text);

	if (n >= POOL_RANGE_MAX || strlen(text) >= POOL_RANGE_MAX)
		return false;
	memcpy(first, text, n);
	first[n] = '\0';
	(void)snprintf(last, POOL_RANGE_MAX, "%s", dash ? dash + 1 : first);
	return true;
}

static uint64_t mac_number(const uint8_t mac[6])
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < 6; i++)
		n = n << 8 | mac[i];
	return n;
}

static int read_macs(const char *text, struct booted_plan *p, struct err *e)
{
	char first[POOL_RANGE_MAX];
	char last[POOL_RANGE_MAX];
	uint8_t a[6];
	uint8_t b[6];

	if (!*text)
		return 0;
	if (split(text, first, last) && mac_read(first, a) == 0 && mac_read(last, b) == 0 &&
	    !(a[0] & 1) && !(b[0] & 1) && mac_number(a) && mac_number(a) <= mac_number(b) &&
	    mac_number(b) - mac_number(a) < RANGE_MAX) {
		p->mac = mac_number(a);
		p->macs = (uint32_t)(mac_number(b) - p->mac) + 1;
		return 0;
	}
	return err_set(e, EINVAL,
		       "pool: mac \"%s\": give the first and the last of at most %u addresses: "
		       "02:00:00:00:01:00-02:00:00:00:01:ff",
		       text, RANGE_MAX);
}

static bool read_ipv4(const char *text, uint32_t *out)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		return false;
	*out = ntohl(a.s_addr);
	return true;
}

static int read_ips(const char *text, struct booted_plan *p, struct err *e)
{
	char addresses[POOL_RANGE_MAX];
	char first[POOL_RANGE_MAX];
	char last[POOL_RANGE_MAX];
	const char *slash = strchr(text, '/');
	uint32_t prefix = slash ? number(slash + 1, 32) : 0;
	uint32_t a;
	uint32_t b;

	if (!*text)
		return 0;
	(void)snprintf(addresses, sizeof(addresses), "%.*s", slash ? (int)(slash - text) : 0, text);
	if (prefix && split(addresses, first, last) && read_ipv4(first, &a) &&
	    read_ipv4(last, &b) && a && a <= b && b - a < RANGE_MAX &&
	    (prefix == 32 || a >> (32 - prefix) == b >> (32 - prefix))) {
		p->ip = a;
		p->ips = b - a + 1;
		p->prefix = (uint8_t)prefix;
		return 0;
	}
	return err_set(
		e, EINVAL,
		"pool: ip \"%s\": give the first and the last of at most %u addresses of one "
		"network, and its prefix: 192.168.7.10-192.168.7.50/24",
		text, RANGE_MAX);
}

int booted_plan_read(const struct pool_flavor *f, struct booted_plan *out, struct err *e)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = read_when(f->ready_when, out, e);
	if (rc == 0)
		rc = read_macs(f->macs, out, e);
	if (rc == 0)
		rc = read_ips(f->ips, out, e);
	if (rc == 0 && out->when == BOOTED_TCP && !out->ips)
		return err_set(e, EINVAL,
			       "pool: ready=%s: give ip, too: it is what is connected to",
			       f->ready_when);
	return rc;
}

void booted_mac(const struct booted_plan *p, uint32_t n, uint8_t mac[6])
{
	uint64_t at = p->mac + n;

	for (uint32_t i = 6; i-- > 0; at >>= 8)
		mac[i] = (uint8_t)at;
}

void booted_ip(const struct booted_plan *p, uint32_t n, uint8_t ip[4])
{
	uint32_t at = htonl(p->ip + n);

	memcpy(ip, &at, sizeof(at));
}
