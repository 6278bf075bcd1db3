/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry: one LMDB record a VM, keyed by uuid. It lies on a tmpfs and need only survive the
 * daemon, so nothing is ever synced. Records of late wait in registry_recent.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/log.h"
#include "split-toolstack/engine/private.h"
#include "split-toolstack/engine/registry_recent.h"
#include "split-toolstack/engine/registry_record.h"

#define MAP_BYTES  (256ull << 20) /* room for 32751 VMs with long command lines */
#define ROOM_BYTES (1u << 20)	  /* that the file has beyond what it uses */

static int failed(struct err *e, int rc, const char *what)
{
	/* EIO: so LMDB calls a write that came short, as it does in a full folder. */
	int code = rc == EIO || rc == MDB_MAP_FULL ? ENOSPC : rc > 0 ? rc : EIO;

	return err_set(e, code, "registry: %s: %s", what, mdb_strerror(rc));
}

/* The folder of our files; nothing in it may lead elsewhere. */
static int open_folder(const char *path, struct err *e)
{
	int dir = dir_prepare(path, false, e);
	int rc = dir < 0 ? dir : dir_refuse_links(dir, path, e);

	if (dir >= 0)
		(void)close(dir);
	return rc;
}

void registry_keep_room(struct registry *reg)
{
	mdb_filehandle_t fd;
	MDB_envinfo info;
	MDB_stat stat;
	uint64_t used;

	if (mdb_env_get_fd(reg->db, &fd) != 0 || mdb_env_info(reg->db, &info) != 0 ||
	    mdb_env_stat(reg->db, &stat) != 0)
		return;
	used = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
	if (used + ROOM_BYTES / 2 <= reg->room)
		return;
	reg->room = used + ROOM_BYTES;
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)reg->room) < 0)
		log_line(LOG_WARN, "registry: no room for changes to come: %s", strerror(errno));
}

/* Neither a writable map nor LMDB's file of locks: both are sparse, and touching a page that a full
 * file system cannot give ends the process by SIGBUS. One process uses it, on one thread. */
int registry_open(struct engine *en, struct err *e)
{
	struct registry *reg = calloc(1, sizeof(*reg));
	char path[512];
	MDB_txn *txn;
	int rc;

	if (!reg)
		return err_set(e, ENOMEM, "out of memory");
	en->registry = reg;
	(void)snprintf(path, sizeof(path), "%s/registry", en->conf.run_dir);
	rc = open_folder(path, e);
	if (rc < 0)
		return rc;
	rc = mdb_env_create(&reg->db);
	if (rc != 0)
		return failed(e, rc, "open");
	rc = mdb_env_set_mapsize(reg->db, MAP_BYTES);
	if (rc == 0)
		rc = mdb_env_open(reg->db, path,
				  MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS | MDB_NOLOCK, 0600);
	if (rc != 0)
		return failed(e, rc, path);
	rc = mdb_txn_begin(reg->db, NULL, 0, &txn);
	if (rc != 0)
		return failed(e, rc, "begin");
	rc = mdb_dbi_open(txn, NULL, 0, &reg->dbi);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return failed(e, rc, "open");
	}
	rc = mdb_txn_commit(txn);
	if (rc != 0)
		return failed(e, rc, "open");
	registry_keep_room(reg);
	(void)snprintf(path, sizeof(path), "%s/registry/recent", en->conf.run_dir);
	return recent_open(reg, path, e);
}

void registry_close(struct engine *en)
{
	struct registry *reg = en->registry;

	if (!reg)
		return;
	recent_close(reg);
	if (reg->db)
		mdb_env_close(reg->db);
	free(reg);
	en->registry = NULL;
}

/* Into the database, when it does not fit elsewhere. */
static int put_now(struct registry *reg, const uint8_t uuid[16], const struct record_draft *d,
		   struct err *e)
{
	MDB_val key = {16, (void *)(uintptr_t)uuid};
	MDB_val value = {d->bytes, NULL};
	MDB_txn *txn = NULL;
	/* What waits of this VM is older, and must not come after. */
	int rc = recent_settle_one(reg, uuid);

	if (rc == 0)
		rc = mdb_txn_begin(reg->db, NULL, 0, &txn);
	if (rc != 0)
		return failed(e, rc, "begin");
	rc = mdb_put(txn, reg->dbi, &key, &value, MDB_RESERVE);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return failed(e, rc, "write");
	}
	record_write(d, value.mv_data);
	rc = mdb_txn_commit(txn);
	return rc != 0 ? failed(e, rc, "write") : 0;
}

int registry_put(struct vm *vm, struct err *e)
{
	struct registry *reg = vm->en->registry;
	struct record_draft d;
	uint8_t *to;

	record_draft(vm, &d);
	to = recent_room(reg, d.bytes);
	if (!to)
		return put_now(reg, vm->uuid, &d, e);
	record_write(&d, to);
	recent_keep(reg, vm->uuid, d.bytes);
	return 0;
}

bool registry_settle(struct engine *en)
{
	return recent_settle(en->registry);
}

void registry_delete(struct engine *en, const uint8_t uuid[16])
{
	MDB_val key = {16, (void *)(uintptr_t)uuid};
	struct registry *reg = en->registry;
	MDB_txn *txn;
	int rc = mdb_txn_begin(reg->db, NULL, 0, &txn);

	if (rc == 0) {
		rc = mdb_del(txn, reg->dbi, &key, NULL);
		if (rc == 0)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	if (rc != 0 && rc != MDB_NOTFOUND)
		log_line(LOG_WARN, "registry: delete: %s", mdb_strerror(rc));
	recent_forget(en->registry, uuid); /* after the older one */
}

/* --- loading --- */

struct loading {
	struct engine *en;
	struct vm *chain;
	int rc;
};

/* All records into a chain of vms, so that the caller may write while it works through them. */
static int read_all(struct engine *en, struct vm **chain)
{
	MDB_cursor *cursor = NULL;
	MDB_val key;
	MDB_val value;
	MDB_txn *txn;
	const struct registry *reg = en->registry;
	int rc = mdb_txn_begin(reg->db, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_open(txn, reg->dbi, &cursor);
	while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct vm *vm = vm_new(en);

		if (!vm) {
			rc = ENOMEM;
			break;
		}
		errno = 0; /* allocators set it: what they lack says nothing of the record */
		if (key.mv_size == sizeof(vm->uuid) &&
		    record_read(vm, value.mv_data, value.mv_size)) {
			memcpy(vm->uuid, key.mv_data, sizeof(vm->uuid));
			memcpy(vm->cfg.uuid, key.mv_data, sizeof(vm->uuid));
			vm->next = *chain;
			*chain = vm;
		} else if (errno == ENOMEM) {
			vm_free(vm);
			rc = ENOMEM;
			break;
		} else {
			log_line(LOG_WARN, "registry: a record of an unknown form is left alone");
			vm_free(vm);
		}
	}
	if (cursor)
		mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* A record that the database could not take yet: it counts, not the older one. */
static void load_recent(void *arg, const uint8_t uuid[16], const uint8_t *record, size_t bytes)
{
	struct loading *l = arg;
	struct vm *vm = vm_new(l->en);

	if (!vm) {
		l->rc = ENOMEM;
		return;
	}
	if (!record_read(vm, record, bytes)) {
		log_line(LOG_WARN, "registry: a record of an unknown form is left alone");
		vm_free(vm);
		return;
	}
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	memcpy(vm->cfg.uuid, uuid, sizeof(vm->uuid));
	for (struct vm **at = &l->chain; *at; at = &(*at)->next) {
		struct vm *old = *at;

		if (memcmp(old->uuid, uuid, sizeof(old->uuid)) != 0)
			continue;
		*at = old->next;
		old->next = NULL;
		vm_free(old);
		break;
	}
	vm->next = l->chain;
	l->chain = vm;
}

int registry_load(struct engine *en, void (*fn)(struct vm *vm), struct err *e)
{
	struct loading l = {.en = en};
	struct vm *chain;
	int rc = read_all(en, &l.chain);

	if (rc == 0) {
		recent_each(en->registry, load_recent, &l);
		rc = l.rc;
	}
	chain = l.chain;

	while (chain) {
		struct vm *vm = chain;

		chain = vm->next;
		vm->next = NULL;
		if (rc == 0)
			fn(vm);
		else
			vm_free(vm);
	}
	return rc != 0 ? failed(e, rc, "read") : 0;
}
