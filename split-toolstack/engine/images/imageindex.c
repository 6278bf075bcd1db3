/* SPDX-License-Identifier: BSD-3-Clause */
/* The index of the image store: a sorted table, and an LMDB database that is read at the start
 * and written only by threads, because each of its transactions waits for the disk. */
#include "split-toolstack/engine/images/imageindex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lmdb.h>

#include "split-toolstack/engine/images/imagestore.h"

#define INDEX_BYTES (64ull << 20)

struct image_name {
	char name[IMAGE_NAME_MAX + 1];
	struct image_record r;
};

struct imageindex {
	MDB_env *db;
	MDB_dbi dbi;
	struct image_name *names; /* in order */
	uint32_t n, room;
};

static int failed(struct err *e, int rc)
{
	return err_set(e, rc > 0 ? rc : EIO, "image store: %s", mdb_strerror(rc));
}

/* --- in memory --- */

/* The position of a name, or where it would be inserted. */
static uint32_t place(const struct imageindex *x, const char *name, bool *there)
{
	uint32_t low = 0;
	uint32_t high = x->n;

	*there = false;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int way = strcmp(x->names[mid].name, name);

		if (way == 0) {
			*there = true;
			return mid;
		}
		if (way < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t imageindex_count(const struct imageindex *x)
{
	return x->n;
}

const struct image_record *imageindex_at(const struct imageindex *x, uint32_t i, const char **name)
{
	*name = x->names[i].name;
	return &x->names[i].r;
}

uint32_t imageindex_after(const struct imageindex *x, const char *name)
{
	bool there;
	uint32_t i = place(x, name, &there);

	return there ? i + 1 : i;
}

const struct image_record *imageindex_find(const struct imageindex *x, const char *name)
{
	bool there;
	uint32_t i = place(x, name, &there);

	return there ? &x->names[i].r : NULL;
}

bool imageindex_uses(const struct imageindex *x, const char *digest, const char *but)
{
	for (uint32_t i = 0; i < x->n; i++)
		if (strcmp(x->names[i].r.digest, digest) == 0 && strcmp(x->names[i].name, but) != 0)
			return true;
	return false;
}

int imageindex_reserve(struct imageindex *x, uint32_t more, struct err *e)
{
	uint32_t room = x->n + more;
	struct image_name *grown;

	if (room <= x->room)
		return 0;
	grown = realloc(x->names, room * sizeof(*grown));
	if (!grown)
		return err_set(e, ENOMEM, "out of memory");
	x->names = grown;
	x->room = room;
	return 0;
}

void imageindex_set(struct imageindex *x, const char *name, const struct image_record *r)
{
	bool there;
	uint32_t i = place(x, name, &there);
	struct image_name *at = x->names + i;
	size_t len = strlen(name);

	if (there && !r) {
		x->n--;
		memmove(at, at + 1, (x->n - i) * sizeof(*at));
		return;
	}
	if (!r || len > IMAGE_NAME_MAX || (!there && x->n == x->room))
		return;
	if (!there) {
		memmove(at + 1, at, (x->n - i) * sizeof(*at));
		x->n++;
		memset(at, 0, sizeof(*at));
		memcpy(at->name, name, len);
	}
	at->r = *r;
}

/* --- on the disk --- */

static int load_one(struct imageindex *x, const MDB_val *key, const MDB_val *value, struct err *e)
{
	char name[IMAGE_NAME_MAX + 1] = "";
	struct image_record r;

	if (value->mv_size != sizeof(r) || key->mv_size > IMAGE_NAME_MAX)
		return 0;
	memcpy(name, key->mv_data, key->mv_size);
	memcpy(&r, value->mv_data, sizeof(r));
	r.digest[sizeof(r.digest) - 1] = '\0';
	r.guest_os[sizeof(r.guest_os) - 1] = '\0';
	if (imageindex_reserve(x, 1, e) < 0)
		return -ENOMEM;
	imageindex_set(x, name, &r);
	return 0;
}

static int load(struct imageindex *x, MDB_txn *txn, struct err *e)
{
	MDB_cursor *cursor = NULL;
	MDB_val key;
	MDB_val value;
	int rc = mdb_cursor_open(txn, x->dbi, &cursor);

	while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		if (load_one(x, &key, &value, e) < 0) {
			mdb_cursor_close(cursor);
			return -ENOMEM;
		}
	}
	if (cursor)
		mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : failed(e, rc);
}

static int open_db(struct imageindex *x, const char *dir, struct err *e)
{
	MDB_txn *txn = NULL;
	int rc = mdb_env_create(&x->db);

	if (rc != 0)
		return failed(e, rc);
	(void)mdb_env_set_mapsize(x->db, INDEX_BYTES);
	/* Without LMDB's own locks: its lock file ends a process by SIGBUS if the file system is
	 * full. */
	rc = mdb_env_open(x->db, dir, MDB_NOTLS | MDB_NOLOCK, 0600);
	if (rc == 0)
		rc = mdb_txn_begin(x->db, NULL, 0, &txn);
	if (rc != 0)
		return failed(e, rc);
	rc = mdb_dbi_open(txn, NULL, 0, &x->dbi);
	if (rc == 0)
		rc = mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
	if (rc == 0)
		rc = mdb_txn_begin(x->db, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return failed(e, rc);
	rc = load(x, txn, e);
	mdb_txn_abort(txn);
	return rc;
}

int imageindex_open(const char *dir, struct imageindex **out, struct err *e)
{
	struct imageindex *x = calloc(1, sizeof(*x));
	int rc;

	if (!x)
		return err_set(e, ENOMEM, "out of memory");
	rc = open_db(x, dir, e);
	if (rc < 0) {
		imageindex_close(x);
		return rc;
	}
	*out = x;
	return 0;
}

void imageindex_close(struct imageindex *x)
{
	if (!x)
		return;
	if (x->db)
		mdb_env_close(x->db);
	free(x->names);
	free(x);
}

int imageindex_commit(struct imageindex *x, const char *name, const struct image_record *r,
		      struct err *e)
{
	MDB_val key = {strlen(name), (void *)(uintptr_t)name};
	MDB_val value = {sizeof(*r), (void *)(uintptr_t)r};
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(x->db, NULL, 0, &txn);

	if (rc == 0) {
		rc = r ? mdb_put(txn, x->dbi, &key, &value, 0) : mdb_del(txn, x->dbi, &key, NULL);
		if (rc == 0)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	return rc != 0 ? failed(e, rc) : 0;
}
