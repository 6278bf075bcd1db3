/* SPDX-License-Identifier: BSD-3-Clause */
/* The index of the store of images: a sorted table, and an LMDB database that is read at the start
 * and written by threads alone, since each of its transactions waits for the disk. */
#include "split-toolstack/engine/imageindex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/private.h"

#define INDEX_BYTES (64ull << 20)

struct image_name {
	char name[IMAGE_NAME_MAX + 1];
	struct image_record r;
};

static int failed(struct err *e, int rc)
{
	return err_set(e, rc > 0 ? rc : EIO, "image store: %s", mdb_strerror(rc));
}

/* --- in memory --- */

/* Where the name is, or would be. */
static uint32_t place(const struct engine *en, const char *name, bool *there)
{
	uint32_t low = 0;
	uint32_t high = en->nimage_names;

	*there = false;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int way = strcmp(en->image_names[mid].name, name);

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

uint32_t imageindex_count(const struct engine *en)
{
	return en->nimage_names;
}

const struct image_record *imageindex_at(const struct engine *en, uint32_t i, const char **name)
{
	*name = en->image_names[i].name;
	return &en->image_names[i].r;
}

const struct image_record *imageindex_find(const struct engine *en, const char *name)
{
	bool there;
	uint32_t i = place(en, name, &there);

	return there ? &en->image_names[i].r : NULL;
}

bool imageindex_uses(const struct engine *en, const char *digest, const char *but)
{
	for (uint32_t i = 0; i < en->nimage_names; i++)
		if (strcmp(en->image_names[i].r.digest, digest) == 0 &&
		    strcmp(en->image_names[i].name, but) != 0)
			return true;
	return false;
}

int imageindex_reserve(struct engine *en, uint32_t more, struct err *e)
{
	uint32_t room = en->nimage_names + more;
	struct image_name *grown;

	if (room <= en->image_room)
		return 0;
	grown = realloc(en->image_names, room * sizeof(*grown));
	if (!grown)
		return err_set(e, ENOMEM, "out of memory");
	en->image_names = grown;
	en->image_room = room;
	return 0;
}

void imageindex_set(struct engine *en, const char *name, const struct image_record *r)
{
	bool there;
	uint32_t i = place(en, name, &there);
	struct image_name *at = en->image_names + i;
	size_t len = strlen(name);

	if (there && !r) {
		en->nimage_names--;
		memmove(at, at + 1, (en->nimage_names - i) * sizeof(*at));
		return;
	}
	if (!r || len > IMAGE_NAME_MAX || (!there && en->nimage_names == en->image_room))
		return;
	if (!there) {
		memmove(at + 1, at, (en->nimage_names - i) * sizeof(*at));
		en->nimage_names++;
		memset(at, 0, sizeof(*at));
		memcpy(at->name, name, len);
	}
	at->r = *r;
}

/* --- on the disk --- */

static int load_one(struct engine *en, const MDB_val *key, const MDB_val *value, struct err *e)
{
	char name[IMAGE_NAME_MAX + 1] = "";
	struct image_record r;

	if (value->mv_size != sizeof(r) || key->mv_size > IMAGE_NAME_MAX)
		return 0;
	memcpy(name, key->mv_data, key->mv_size);
	memcpy(&r, value->mv_data, sizeof(r));
	r.digest[sizeof(r.digest) - 1] = '\0';
	r.guest_os[sizeof(r.guest_os) - 1] = '\0';
	if (imageindex_reserve(en, 1, e) < 0)
		return -ENOMEM;
	imageindex_set(en, name, &r);
	return 0;
}

static int load(struct engine *en, MDB_txn *txn, struct err *e)
{
	MDB_cursor *cursor = NULL;
	MDB_val key;
	MDB_val value;
	int rc = mdb_cursor_open(txn, en->image_dbi, &cursor);

	while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		if (load_one(en, &key, &value, e) < 0) {
			mdb_cursor_close(cursor);
			return -ENOMEM;
		}
	}
	if (cursor)
		mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : failed(e, rc);
}

int imageindex_open(struct engine *en, const char *dir, struct err *e)
{
	MDB_txn *txn = NULL;
	int rc = mdb_env_create(&en->image_db);

	if (rc != 0)
		return failed(e, rc);
	(void)mdb_env_set_mapsize(en->image_db, INDEX_BYTES);
	/* Not with LMDB's own locks: its file of them ends a process by SIGBUS when the file system
	 * is full. */
	rc = mdb_env_open(en->image_db, dir, MDB_NOTLS | MDB_NOLOCK, 0600);
	if (rc == 0)
		rc = mdb_txn_begin(en->image_db, NULL, 0, &txn);
	if (rc != 0)
		return failed(e, rc);
	rc = mdb_dbi_open(txn, NULL, 0, &en->image_dbi);
	if (rc == 0)
		rc = mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
	if (rc == 0)
		rc = mdb_txn_begin(en->image_db, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return failed(e, rc);
	rc = load(en, txn, e);
	mdb_txn_abort(txn);
	return rc;
}

void imageindex_close(struct engine *en)
{
	if (en->image_db)
		mdb_env_close(en->image_db);
	en->image_db = NULL;
	free(en->image_names);
	en->image_names = NULL;
	en->nimage_names = en->image_room = 0;
}

int imageindex_commit(struct engine *en, const char *name, const struct image_record *r,
		      struct err *e)
{
	MDB_val key = {strlen(name), (void *)(uintptr_t)name};
	MDB_val value = {sizeof(*r), (void *)(uintptr_t)r};
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(en->image_db, NULL, 0, &txn);

	if (rc == 0) {
		rc = r ? mdb_put(txn, en->image_dbi, &key, &value, 0)
		       : mdb_del(txn, en->image_dbi, &key, NULL);
		if (rc == 0)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	return rc != 0 ? failed(e, rc) : 0;
}
