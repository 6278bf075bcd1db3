/* SPDX-License-Identifier: BSD-3-Clause */
/* Permissions in requests: "n0" "r7" ... */
#include "store/private.h"

#include <stdio.h>
#include <stdlib.h>

int store_do_get_perms(struct store_request *r)
{
	static const char letter[] = "nrwb";
	char text[STORE_PAYLOAD_MAX];
	struct store_seen seen;
	uint32_t len = 0;
	int rc = store_one_string(r) ? store_access_path(r, STORE_READ, &seen) : -EINVAL;

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < seen.perms->n && len < sizeof(text) - 16; i++)
		len += (uint32_t)snprintf(text + len, sizeof(text) - len, "%c%u",
					  letter[seen.perms->perm[i].access],
					  seen.perms->perm[i].domid) +
		       1;
	return store_answer(r, text, len);
}

static int parse_perm(const char *text, struct store_perm *out)
{
	static const char letter[] = "nrwb";
	const char *at = *text ? strchr(letter, *text) : NULL;
	unsigned long domid;
	char *end;

	if (!at || text[1] < '0' || text[1] > '9')
		return -EINVAL;
	domid = strtoul(text + 1, &end, 10);
	if (*end || domid > 0x7fff)
		return -EINVAL;
	*out = (struct store_perm){(uint32_t)domid, (enum store_access)(at - letter)};
	return 0;
}

#define PERMS_MAX 64u

static int parse_perms(const struct store_request *r, struct store_perm perm[PERMS_MAX],
		       uint32_t *n)
{
	uint32_t most = store_is_guest(r->c->domid) ? r->s->quota.perms : PERMS_MAX;
	uint32_t len = 0;
	const char *at = store_second(r, &len);

	*n = 0;
	if (!at || len == 0 || at[len - 1] != '\0')
		return -EINVAL;
	for (const char *end = at + len; at < end; at += strlen(at) + 1) {
		int rc;

		if (*n == most || *n == PERMS_MAX)
			return -ENOSPC;
		rc = parse_perm(at, &perm[(*n)++]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int store_do_set_perms(struct store_request *r)
{
	struct store_perm perm[PERMS_MAX] = {0};
	struct store_seen seen = {0};
	uint32_t n = 0;
	int rc = parse_perms(r, perm, &n);

	if (rc == 0)
		rc = store_access_path(r, STORE_WRITE, &seen);
	if (rc < 0)
		return rc;
	if (!store_owns(seen.perms, r->c->domid))
		return -EACCES;
	if (store_is_guest(r->c->domid) && perm[0].domid != r->c->domid)
		return -EPERM; /* it cannot give a node away */
	rc = store_do_perms(r->c, r->t, r->path, perm, n);
	return rc < 0 ? rc : store_ok(r);
}
