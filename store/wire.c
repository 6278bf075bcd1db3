/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of the wire protocol, each answered at once. Source: Xen public/io/xs_wire.h and
 * docs/misc/xenstore.txt; limits and the order of checks are xenstored's.
 */
#include "store/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- answers --- */

static const char *word_for(int rc)
{
	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (xsd_errors[i].errnum == -rc)
			return xsd_errors[i].errstring;
	return "EINVAL";
}

/* --- reading --- */

static int do_read(struct store_request *r)
{
	struct store_seen seen;
	int rc = store_one_string(r) ? store_access_path(r, STORE_READ, &seen) : -EINVAL;

	return rc < 0 ? rc : store_answer(r, seen.value, seen.len);
}

static int do_directory(struct store_request *r)
{
	struct store_seen seen;
	const char *names = NULL;
	uint32_t len = 0;
	int rc = store_one_string(r) ? store_access_path(r, STORE_READ, &seen) : -EINVAL;

	if (rc == 0)
		rc = store_see_names(r->c, r->t, r->path, &names, &len);
	return rc < 0 ? rc : store_answer(r, names, len);
}

/* As many whole names as fit, from an offset on, behind the generation of the list. */
static int do_directory_part(struct store_request *r)
{
	struct store_seen seen;
	char part[STORE_PAYLOAD_MAX];
	const char *names;
	const char *arg;
	char *end;
	unsigned long offset;
	uint32_t arg_len = 0;
	uint32_t len;
	uint32_t used;
	int rc;

	arg = store_second(r, &arg_len);
	if (!arg || arg_len == 0 || arg[arg_len - 1] != '\0')
		return -EINVAL;
	rc = store_access_path(r, STORE_READ, &seen);
	if (rc < 0)
		return rc;
	offset = strtoul(arg, &end, 10);
	if (*end)
		return -EINVAL;
	rc = store_see_names(r->c, r->t, r->path, &names, &len);
	if (rc < 0)
		return rc;
	used = (uint32_t)snprintf(part, sizeof(part), "%llu", (unsigned long long)seen.gen) + 1;
	while (offset < len) {
		uint32_t n = (uint32_t)strnlen(names + offset, len - offset) + 1;

		if (used + n > sizeof(part))
			break;
		memcpy(part + used, names + offset, n);
		used += n;
		offset += n;
	}
	if (offset >= len) { /* an empty name: that was all */
		if (used == sizeof(part))
			return store_answer(r, part, used);
		part[used++] = '\0';
	}
	return store_answer(r, part, used);
}

/* --- writing --- */

static int do_write(struct store_request *r)
{
	struct store_seen seen;
	uint32_t len = 0;
	const char *value = store_second(r, &len);
	int rc = value ? store_access_path(r, STORE_WRITE, &seen) : -EINVAL;

	if (rc == -ENOENT)
		rc = 0;
	if (rc == 0 && store_is_guest(r->c->domid) && len > r->s->quota.value_bytes)
		rc = -ENOSPC;
	if (rc == 0)
		rc = store_do_write(r->c, r->t, r->path, value, len, false);
	return rc < 0 ? rc : store_ok(r);
}

static int do_mkdir(struct store_request *r)
{
	struct store_seen seen;
	int rc = store_one_string(r) ? store_access_path(r, STORE_WRITE, &seen) : -EINVAL;

	if (rc == -ENOENT)
		rc = 0;
	if (rc == 0)
		rc = store_do_write(r->c, r->t, r->path, NULL, 0, true);
	return rc < 0 ? rc : store_ok(r);
}

static int do_rm(struct store_request *r)
{
	char parent[STORE_PATH_MAX];
	struct store_seen seen;
	int rc = store_one_string(r) ? store_access_path(r, STORE_WRITE, &seen) : -EINVAL;

	if (rc == -ENOENT) { /* fine, if there could have been one */
		store_path_copy(parent, r->path);
		*strrchr(parent, '/') = '\0';
		if (store_see(r->c, r->t, *parent ? parent : "/", &seen) < 0 || !seen.exists)
			return -ENOENT;
		return store_ok(r);
	}
	if (rc == 0 && strcmp(r->path, "/") == 0)
		rc = -EINVAL;
	if (rc == 0)
		rc = store_do_rm(r->c, r->t, r->path);
	return rc < 0 ? rc : store_ok(r);
}

/* --- watches --- */

static int watch_args(struct store_request *r, const char **token)
{
	uint32_t len = 0;

	*token = store_second(r, &len);
	if (!*token || len == 0 || !memchr(*token, '\0', len))
		return -EINVAL;
	return store_take_path(r);
}

static int do_watch(struct store_request *r)
{
	const char *token;
	int rc = watch_args(r, &token);

	if (rc == 0 && strlen(r->path) + strlen(token) + 2 > STORE_PAYLOAD_MAX)
		rc = -E2BIG; /* no event could ever say it */
	if (rc == 0)
		rc = store_watch_add(r->c, r->path, r->relative, token);
	if (rc < 0)
		return rc;
	(void)store_ok(r);
	store_conn_event(r->c->watches->conn_prev, r->path); /* the last: this one */
	return 0;
}

static int do_unwatch(struct store_request *r)
{
	const char *token;
	int rc = watch_args(r, &token);

	if (rc == 0)
		rc = store_watch_remove(r->c, r->path, token);
	return rc < 0 ? rc : store_ok(r);
}

static int do_reset_watches(struct store_request *r)
{
	store_watches_clear(r->c);
	store_tx_clear(r->c);
	return store_ok(r);
}

/* --- transactions --- */

static int do_tx_start(struct store_request *r)
{
	struct store_conn *c = r->c;
	struct store_tx *t;
	char text[16];
	int rc;

	if (r->t)
		return -EBUSY;
	if (store_is_guest(c->domid) && c->dom->transactions >= r->s->quota.transactions)
		return -ENOSPC;
	if (!store_may_keep(c, store_tx_cost()))
		return -ENOSPC;
	do
		c->next_tx++;
	while (c->next_tx == 0 || store_tx_find(c, c->next_tx));
	rc = store_tx_start(c, c->next_tx, &t);
	if (rc < 0)
		return rc;
	return store_answer(r, text, (uint32_t)snprintf(text, sizeof(text), "%u", t->id) + 1);
}

static int do_tx_end(struct store_request *r)
{
	bool commit;
	int rc;

	if (!store_one_string(r) || (strcmp(r->data, "T") != 0 && strcmp(r->data, "F") != 0))
		return -EINVAL;
	if (!r->t)
		return -ENOENT;
	commit = *r->data == 'T';
	rc = store_tx_end(r->c, r->t, commit);
	r->t = NULL;
	return rc < 0 ? rc : store_ok(r);
}

/* --- domains --- */

static int domid_arg(const struct store_request *r, uint32_t *out)
{
	unsigned long v;
	char *end;

	if (!store_one_string(r) || *r->data < '0' || *r->data > '9')
		return -EINVAL;
	v = strtoul(r->data, &end, 10);
	if (*end || v > 0x7fff)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int do_domain_path(struct store_request *r)
{
	char text[40];
	uint32_t domid;
	int rc = domid_arg(r, &domid);

	if (rc < 0)
		return rc;
	return store_answer(r, text,
			    (uint32_t)snprintf(text, sizeof(text), "/local/domain/%u", domid) + 1);
}

static int do_is_introduced(struct store_request *r)
{
	struct store_domain *d;
	uint32_t domid;
	int rc = domid_arg(r, &domid);

	if (rc < 0)
		return rc;
	d = store_domain(r->s, domid, false);
	return store_answer(r, domid == 0 || (d && d->ring) ? "T" : "F", 2);
}

/* --- the table --- */

#define PRIVILEGED 1u
#define NO_TX	   2u

static const struct {
	int (*fn)(struct store_request *r);
	uint32_t flags;
} table[XS_TYPE_COUNT] = {
	[XS_CONTROL] = {NULL, PRIVILEGED | NO_TX},
	[XS_DIRECTORY] = {do_directory, 0},
	[XS_READ] = {do_read, 0},
	[XS_GET_PERMS] = {store_do_get_perms, 0},
	[XS_WATCH] = {do_watch, NO_TX},
	[XS_UNWATCH] = {do_unwatch, NO_TX},
	[XS_TRANSACTION_START] = {do_tx_start, 0},
	[XS_TRANSACTION_END] = {do_tx_end, 0},
	/* Domains come and go with chaosd; there is no other way. */
	[XS_INTRODUCE] = {NULL, PRIVILEGED | NO_TX},
	[XS_RELEASE] = {NULL, PRIVILEGED | NO_TX},
	[XS_GET_DOMAIN_PATH] = {do_domain_path, NO_TX},
	[XS_WRITE] = {do_write, 0},
	[XS_MKDIR] = {do_mkdir, 0},
	[XS_RM] = {do_rm, 0},
	[XS_SET_PERMS] = {store_do_set_perms, 0},
	[XS_IS_DOMAIN_INTRODUCED] = {do_is_introduced, PRIVILEGED | NO_TX},
	[XS_RESUME] = {NULL, PRIVILEGED | NO_TX},
	[XS_SET_TARGET] = {NULL, PRIVILEGED | NO_TX},
	[XS_RESET_WATCHES] = {do_reset_watches, NO_TX},
	[XS_DIRECTORY_PART] = {do_directory_part, 0},
};

static int dispatch(struct store_request *r)
{
	uint32_t type = r->h->type;

	if (type >= XS_TYPE_COUNT)
		return -ENOSYS;
	if (table[type].flags & PRIVILEGED && store_is_guest(r->c->domid))
		return -EACCES;
	if (!table[type].fn)
		return -ENOSYS;
	if (r->h->tx_id && !(table[type].flags & NO_TX)) {
		r->t = store_tx_find(r->c, r->h->tx_id);
		if (!r->t)
			return -ENOENT;
	}
	return table[type].fn(r);
}

void store_handle(struct store_conn *c, const struct xsd_sockmsg *h, const char *data)
{
	struct store_request r;
	const char *word;
	int rc;

	r.c = c;
	r.s = c->s;
	r.h = h;
	r.data = data;
	r.t = NULL;
	r.relative = false;
	rc = dispatch(&r);
	if (rc >= 0)
		return;
	word = word_for(rc);
	(void)store_conn_put(c, XS_ERROR, h->req_id, h->tx_id, word, (uint32_t)strlen(word) + 1);
}
