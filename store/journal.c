/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal: records are appended to a mapped file, and are valid when the header's `end`
 * includes them.
 *
 * It is kept when the process ends, not when the host reboots: data stored into a shared mapping
 * is in the file even if the process is killed. So a change costs copying, and no system call.
 */
#include "store/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY 4096u /* number of commits between two tries to allocate */
#define SLICE 8192u

/* --- room --- */

/* Room is allocated in advance, for the next records in the file and for a whole file in the
 * spare one. So the journal can be renewed as long as the tree does not grow, even if the folder
 * is full. */
static void allocate_ahead(struct store *s)
{
	struct store_journal *j = s->journal;
	uint64_t spare = store_journal_spare_room(s);
	bool have = j->next.map || j->spare.room >= spare;
	uint64_t need = j->file.end + STORE_J_AHEAD;

	if (have && j->file.room >= need && !j->tight)
		return;
	if (j->tight) { /* until something was allocated: space that a renewal frees does not count
			 */
		need = j->file.room + 1;
		if (j->pass && --j->pass)
			return;
	}
	have = have || (store_journal_spare(j) == 0 && store_journal_file_grow(&j->spare, spare));
	j->tight = !have || !store_journal_file_grow(&j->file, need);
	j->pass = RETRY;
}

/* --- appending --- */

static void append(struct store *s, struct store_record_head r, const struct store_part *part,
		   uint32_t nparts)
{
	struct store_journal *j = s->journal;

	if (!j->torn)
		j->torn = !store_journal_append(&j->file, r, part, nparts);
}

void store_log(struct store *s, enum store_record type, uint16_t n, uint32_t domid, uint32_t value,
	       const struct store_part *part, uint32_t nparts)
{
	struct store_journal *j = s->journal;
	struct store_record_head r = {0, (uint16_t)type, n, domid, value};

	if (!j || !j->file.map)
		return;
	append(s, r, part, nparts);
	if (j->next.map)
		store_renew_conn(s, r, part, nparts);
}

void store_log_node(struct store *s, struct store_node *n, enum store_record type, uint16_t nperms,
		    uint32_t value, const struct store_part *part, uint32_t nparts)
{
	struct store_journal *j = s->journal;
	struct store_record_head r = {0, (uint16_t)type, nperms, 0, value};

	if (!j || !j->file.map)
		return;
	append(s, r, part, nparts);
	if (j->next.map)
		store_renew_node(s, n, r, part, nparts);
}

/* The group did not fit: the file is written again from the current state. If there is no room
 * for that either, the last valid file is not changed, and connections wait. */
static void mend(struct store *s)
{
	struct store_journal *j = s->journal;

	j->stuck = store_journal_renew(s) < 0;
	j->torn = j->stuck;
}

void store_commit(struct store *s)
{
	struct store_journal *j = s->journal;

	if (!j || !j->file.map || j->stuck)
		return;
	if (j->torn) {
		mend(s);
		return;
	}
	if (j->file.end == store_journal_head(&j->file)->end)
		return;
	__atomic_store_n(&store_journal_head(&j->file)->end, j->file.end, __ATOMIC_RELEASE);
	allocate_ahead(s);
	if (j->next.map)
		store_renew_go_on(s);
	else if (j->spare.room > store_journal_spare_room(s) + 2 * STORE_J_STEP)
		store_journal_file_shrink(&j->spare);
	else if (j->file.end > j->renewed + j->renewed / 2 + STORE_J_STEP ||
		 (j->tight && j->file.end > j->renewed + STORE_J_AHEAD / 4 &&
		  j->file.room < j->file.end + STORE_J_AHEAD / 2))
		(void)store_renew_begin(s); /* else it goes on growing */
}

bool store_journal_retry(struct store *s)
{
	struct store_journal *j = s->journal;
	bool was = j->stuck;

	j->pass = 0;
	if (was)
		mend(s);
	if (!j->stuck)
		allocate_ahead(s);
	return was && !j->stuck;
}

enum store_room store_room(const struct store *s)
{
	const struct store_journal *j = s->journal;

	if (j && j->stuck)
		return STORE_ROOM_NONE;
	return j && j->tight ? STORE_ROOM_TIGHT : STORE_ROOM_FINE;
}

uint64_t store_journal_bytes(const struct store *s)
{
	const struct store_journal *j = s->journal;

	return j && j->file.map && !j->stuck ? j->file.end : 0;
}

/* --- open and close --- */

static int read_old(struct store_journal *j, int fd, const uint8_t **data, uint64_t *len)
{
	struct stat st;
	struct journal_head h;
	void *at;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < sizeof(h))
		return -EBADMSG;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	j->old = at;
	j->old_len = (uint64_t)st.st_size;
	memcpy(&h, at, sizeof(h));
	if (h.magic != STORE_J_MAGIC || h.end > j->old_len || h.end % 8)
		return -EBADMSG;
	j->epoch = h.epoch + 1;
	j->old_end = h.end;
	if (h.end >= sizeof(h)) { /* 0: an older version gave it up */
		*data = j->old + sizeof(h);
		*len = h.end - sizeof(h);
	}
	return 0;
}

int store_journal_open(struct store *s, const char *path, const uint8_t **data, uint64_t *len,
		       struct err *e)
{
	struct store_journal *j = calloc(1, sizeof(*j));
	int fd;
	int rc;

	*data = NULL;
	*len = 0;
	if (!j)
		return err_set(e, ENOMEM, "out of memory");
	j->file.fd = j->next.fd = j->spare.fd = -1;
	j->epoch = 1;
	j->slice = SLICE;
	j->path = strdup(path);
	s->journal = j;
	if (!j->path)
		return err_set(e, ENOMEM, "out of memory");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	rc = read_old(j, fd, data, len);
	(void)close(fd);
	s->gen = j->epoch << 40; /* lists of before are not what they were */
	return rc;
}

void store_journal_read(struct store_journal *j)
{
	if (j->old)
		(void)munmap(j->old, j->old_len);
	j->old = NULL;
}

int store_journal_keep(struct store *s)
{
	struct store_journal *j = s->journal;
	int rc = -ENOENT;

	if (j->old_end >= sizeof(struct journal_head)) {
		rc = store_journal_file_make(j->path, &j->file);
		if (rc == 0) {
			j->file.end = j->renewed = j->old_end;
			store_journal_head(&j->file)->epoch = j->epoch;
		}
	}
	j->tight = true;
	j->stuck = j->torn = rc < 0;
	return rc;
}

void store_journal_close(struct store *s)
{
	struct store_journal *j = s->journal;

	if (!j)
		return;
	store_renew_end(s);
	s->journal = NULL;
	store_journal_file_drop(&j->file);
	store_journal_file_drop(&j->spare);
	store_journal_read(j);
	free(j->path);
	free(j);
}
