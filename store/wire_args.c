/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by all requests: their arguments and answers. */
#include "store/private.h"

#include <errno.h>

/* --- arguments --- */

bool store_one_string(const struct store_request *r)
{
	return r->h->len > 0 && memchr(r->data, '\0', r->h->len) == r->data + r->h->len - 1;
}

const char *store_second(const struct store_request *r, uint32_t *len)
{
	const char *end = r->h->len ? memchr(r->data, '\0', r->h->len) : NULL;

	if (!end)
		return NULL;
	*len = (uint32_t)(r->data + r->h->len - (end + 1));
	return end + 1;
}

int store_take_path(struct store_request *r)
{
	size_t len = strlen(r->data);
	size_t base = 0;

	if (len == 0)
		return -EINVAL;
	r->relative = *r->data != '/' && *r->data != '@';
	if (r->relative) {
		if (len >= STORE_REL_MAX)
			return -EINVAL;
		base = r->c->base_len;
		memcpy(r->path, r->c->base, base);
		r->path[base++] = '/';
	}
	if (base + len >= sizeof(r->path))
		return -EINVAL;
	memcpy(r->path + base, r->data, len + 1);
	if (*r->data == '@') /* an event, not a path */
		return strchr(r->data, '/') || len >= STORE_REL_MAX ? -EINVAL : 0;
	return store_path_ok(r->path, base + len) ? 0 : -EINVAL;
}

/* The daemon may make a tree when it is accessed. */
static void make_missing(const struct store_request *r)
{
	struct store *s = r->s;
	uint32_t domid = store_path_domain(r->path);
	bool all = strcmp(r->path, "/local/domain") == 0 || strcmp(r->path, "/vm") == 0 ||
		   strncmp(r->path, "/vm/", 4) == 0;

	if (!s->missing || s->in_missing || (domid == STORE_NO_DOMAIN && !all))
		return;
	if ((!all || r->path[1] == 'v') && store_find(s, r->path) && strcmp(r->path, "/vm") != 0)
		return;
	s->in_missing = true;
	s->missing(s->missing_arg, domid);
	s->in_missing = false;
}

/* The path of a node, with a check of access to it. A missing node is -ENOENT only for a domain
 * that the nearest existing node above allows this access; otherwise -EACCES. */
int store_access_path(struct store_request *r, enum store_access want, struct store_seen *seen)
{
	int rc = store_take_path(r);

	if (rc == 0 && *r->path == '@')
		rc = -EINVAL;
	if (rc < 0)
		return rc;
	if (!store_is_guest(r->c->domid))
		make_missing(r);
	rc = store_see(r->c, r->t, r->path, seen);
	if (rc < 0)
		return rc;
	if (seen->exists)
		return (store_allowed(seen->perms, r->c->domid) & want) == want ? 0 : -EACCES;
	if ((store_allowed(store_see_near(r->c, r->t, r->path), r->c->domid) & want) != want)
		return -EACCES;
	return -ENOENT;
}

/* --- answers --- */

int store_answer(const struct store_request *r, const void *data, uint32_t len)
{
	if (len > STORE_PAYLOAD_MAX)
		return -E2BIG;
	(void)store_conn_put(r->c, r->h->type, r->h->req_id, r->h->tx_id, data, len);
	return 0;
}

int store_ok(const struct store_request *r)
{
	return store_answer(r, "OK", 3);
}
