/* SPDX-License-Identifier: BSD-3-Clause */
/* New records: slots in a mapped file, so that writing a record costs only a copy, however many
 * VMs there are. They are moved to the database in idle time. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "split-toolstack/engine/registry/recent.h"

/* The file is kept when the daemon ends, and only the next one reads it. A slot is valid when
 * its length is set, which is written last; if two slots have the same uuid, the newer one
 * counts. A slot is cleared after the database has its record, or a newer one. So the newest
 * record of a VM is always in a slot, or, if no slot has one, in the database. */

#define MAGIC	   0x63726563u
#define VERSION	   1u
#define SLOTS	   64u
#define SLOT_BYTES 1024u
#define AT_ONCE	   8u /* records that the database gets in one transaction */

struct recent_slot {
	uint32_t bytes; /* of the record; 0: empty */
	uint32_t zero;
	uint64_t age; /* a higher number is newer */
	uint8_t uuid[16];
	uint8_t record[RECENT_BYTES];
};

struct recent_file {
	uint32_t magic, version;
	uint8_t zero[SLOT_BYTES - 8];
	struct recent_slot slot[SLOTS];
};

_Static_assert(sizeof(struct recent_slot) == SLOT_BYTES, "slots lie side by side");

struct recent {
	struct recent_file *file;
	uint64_t used; /* a bit a slot */
	uint64_t next; /* age */
};

static struct recent_slot *slot_of(struct registry *reg, const uint8_t uuid[16], uint32_t *at)
{
	struct recent *r = reg->recent;

	for (uint64_t left = r->used; left; left &= left - 1) {
		*at = (uint32_t)__builtin_ctzll(left);
		if (memcmp(r->file->slot[*at].uuid, uuid, 16) == 0)
			return &r->file->slot[*at];
	}
	return NULL;
}

static void empty(struct recent *r, uint32_t at)
{
	__atomic_store_n(&r->file->slot[at].bytes, 0, __ATOMIC_RELEASE);
	r->used &= ~(1ull << at);
}

static uint32_t oldest(const struct recent *r, uint64_t of)
{
	uint32_t best = (uint32_t)__builtin_ctzll(of);

	for (uint64_t left = of; left; left &= left - 1) {
		uint32_t at = (uint32_t)__builtin_ctzll(left);

		if (r->file->slot[at].age < r->file->slot[best].age)
			best = at;
	}
	return best;
}

/* 0 or LMDB's error. */
static int write_slots(struct registry *reg, uint64_t which)
{
	struct recent *r = reg->recent;
	MDB_txn *txn;
	int rc = mdb_txn_begin(reg->db, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	for (uint64_t left = which; rc == 0 && left;) {
		uint32_t at = oldest(r, left);
		struct recent_slot *s = &r->file->slot[at];
		MDB_val key = {sizeof(s->uuid), s->uuid};
		MDB_val value = {s->bytes, s->record};

		rc = mdb_put(txn, reg->dbi, &key, &value, 0);
		left &= ~(1ull << at);
	}
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	rc = mdb_txn_commit(txn);
	while (rc == 0 && which) {
		empty(r, (uint32_t)__builtin_ctzll(which));
		which &= which - 1;
	}
	return rc;
}

bool recent_settle(struct registry *reg)
{
	struct recent *r = reg->recent;
	uint64_t which = 0;
	int rc;

	for (uint32_t i = 0; r && i < AT_ONCE && which != r->used; i++)
		which |= 1ull << oldest(r, r->used & ~which);
	if (which == 0)
		return false;
	rc = write_slots(reg, which);
	if (rc != 0)
		log_line(LOG_WARN, "registry: write: %s", mdb_strerror(rc));
	else
		registry_keep_room(reg);
	return rc == 0 && r->used != 0;
}

bool recent_put(struct registry *reg, const uint8_t uuid[16], const uint8_t *record, size_t bytes)
{
	struct recent *r = reg->recent;
	struct recent_slot *s;
	uint32_t at;
	uint32_t old;
	bool again;

	if (r && r->used == UINT64_MAX)
		(void)recent_settle(reg);
	if (!r || r->used == UINT64_MAX)
		return false;
	at = (uint32_t)__builtin_ctzll(~r->used);
	again = slot_of(reg, uuid, &old) != NULL;
	s = &r->file->slot[at];
	memcpy(s->record, record, bytes);
	memcpy(s->uuid, uuid, sizeof(s->uuid));
	s->age = r->next++;
	__atomic_store_n(&s->bytes, (uint32_t)bytes, __ATOMIC_RELEASE);
	r->used |= 1ull << at;
	if (again)
		empty(r, old);
	return true;
}

int recent_settle_one(struct registry *reg, const uint8_t uuid[16])
{
	uint32_t at;

	return reg->recent && slot_of(reg, uuid, &at) ? write_slots(reg, 1ull << at) : 0;
}

void recent_forget(struct registry *reg, const uint8_t uuid[16])
{
	uint32_t at;

	if (reg->recent && slot_of(reg, uuid, &at))
		empty(reg->recent, at);
}

/* Records of the last daemon are moved to the database; a file of another form is made again. */
static void take_over(struct registry *reg, bool fresh)
{
	struct recent *r = reg->recent;
	struct recent_file *f = r->file;
	int rc;

	if (fresh || f->magic != MAGIC || f->version != VERSION)
		memset(f, 0, sizeof(*f));
	f->magic = MAGIC;
	f->version = VERSION;
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct recent_slot *s = &f->slot[i];

		if (s->bytes > sizeof(s->record))
			s->bytes = 0;
		if (s->bytes == 0)
			continue;
		r->used |= 1ull << i;
		if (s->age >= r->next)
			r->next = s->age + 1;
	}
	rc = r->used ? write_slots(reg, r->used) : 0;
	if (rc != 0) /* they stay in their slots, and count (recent_each) */
		log_line(LOG_WARN, "registry: write: %s", mdb_strerror(rc));
}

void recent_each(struct registry *reg,
		 void (*fn)(void *arg, const uint8_t uuid[16], const uint8_t *record, size_t bytes),
		 void *arg)
{
	struct recent *r = reg->recent;

	for (uint64_t left = r ? r->used : 0; left;) {
		uint32_t at = oldest(r, left);
		const struct recent_slot *s = &r->file->slot[at];

		fn(arg, s->uuid, s->record, s->bytes);
		left &= ~(1ull << at);
	}
}

/* Allocates all pages at once, so that no create waits for one, and none is missing on a file
 * system that is full later. `fresh`: the file had another size. NULL: errno has the reason. */
static struct recent_file *map_file(int fd, bool *fresh)
{
	struct recent_file *f;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return NULL;
	*fresh = st.st_size != sizeof(*f);
	if (*fresh && ftruncate(fd, sizeof(*f)) < 0)
		return NULL;
	rc = posix_fallocate(fd, 0, sizeof(*f));
	if (rc != 0) {
		if (*fresh) /* or the next start takes it for one that has its pages */
			(void)!ftruncate(fd, 0);
		errno = rc;
		return NULL;
	}
	f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (f == MAP_FAILED)
		return NULL;
	return f;
}

int recent_open(struct registry *reg, const char *path, struct err *e)
{
	struct recent *r = calloc(1, sizeof(*r));
	bool fresh = false;
	int code;
	int fd;

	if (!r)
		return err_set(e, ENOMEM, "out of memory");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	r->file = fd < 0 ? NULL : map_file(fd, &fresh);
	code = r->file ? 0 : errno;
	if (fd >= 0)
		(void)close(fd);
	if (r->file) {
		reg->recent = r;
		take_over(reg, fresh);
		return 0;
	}
	free(r);
	if (code != ENOSPC || !fresh)
		return err_sys(e, code, "registry: %s", path);
	/* The file is not used: each record goes into the database at once. */
	log_line(LOG_WARN, "registry: %s: %s; records take longer", path, strerror(code));
	return 0;
}

void recent_close(struct registry *reg)
{
	struct recent *r = reg->recent;

	if (!r)
		return;
	while (recent_settle(reg))
		;
	(void)munmap(r->file, sizeof(*r->file));
	free(r);
	reg->recent = NULL;
}
