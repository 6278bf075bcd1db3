/* SPDX-License-Identifier: BSD-3-Clause */
/* Images that chaosd keeps: files named by content, and an LMDB index from names to them. */
#include "split-toolstack/engine/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define RECORD_VERSION 1u
#define INDEX_BYTES    (64ull << 20)
#define COPY_STEP      (1u << 20)

/* The value of a name. */
struct record {
	uint32_t version;
	uint32_t pv, pvh, noxs, linux_kernel;
	char digest[65];
	char guest_os[32];
	uint64_t bytes, min_kib, imported_ns;
};

struct import_job {
	struct worker_job job;
	struct engine *en;
	int fd;
	char name[IMAGE_NAME_MAX + 1];
	struct record r;
	image_import_fn *fn;
	void *arg;
	int rc;
	struct err err;
};

static int failed(struct err *e, int rc)
{
	return err_set(e, rc > 0 ? rc : EIO, "image store: %s", mdb_strerror(rc));
}

int imagestore_open(struct engine *en, struct err *e)
{
	const char *dir = en->conf.image_dir;
	MDB_txn *txn;
	int rc;

	en->image_dirfd = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (en->image_dirfd < 0)
		return err_sys(e, errno, "image store: %s", dir);
	/* For two daemons with run directories of their own: LMDB's own locks are not used, since
	 * its file of them ends a process by SIGBUS when the file system is full. */
	if (flock(en->image_dirfd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, EBUSY, "image store: another chaosd uses %s", dir);
	rc = mdb_env_create(&en->image_db);
	if (rc != 0)
		return failed(e, rc);
	(void)mdb_env_set_mapsize(en->image_db, INDEX_BYTES);
	rc = mdb_env_open(en->image_db, dir, MDB_NOTLS | MDB_NOLOCK, 0600);
	if (rc != 0)
		return failed(e, rc);
	rc = mdb_txn_begin(en->image_db, NULL, 0, &txn);
	if (rc != 0)
		return failed(e, rc);
	rc = mdb_dbi_open(txn, NULL, 0, &en->image_dbi);
	if (rc == 0)
		rc = mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
	if (rc != 0)
		return failed(e, rc);
	imagestore_sweep(en);
	return 0;
}

void imagestore_close(struct engine *en)
{
	if (en->image_db)
		mdb_env_close(en->image_db);
	en->image_db = NULL;
	if (en->image_dirfd > 0)
		(void)close(en->image_dirfd);
	en->image_dirfd = -1;
}

/* --- the index --- */

static int get(struct engine *en, const char *name, struct record *out)
{
	MDB_val key = {strlen(name), (void *)(uintptr_t)name};
	MDB_val value;
	MDB_txn *txn = NULL;
	int rc = key.mv_size == 0 ? MDB_NOTFOUND
				  : mdb_txn_begin(en->image_db, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return rc == MDB_NOTFOUND ? -ENOENT : -EIO;
	rc = mdb_get(txn, en->image_dbi, &key, &value);
	if (rc == 0 && value.mv_size == sizeof(*out))
		memcpy(out, value.mv_data, sizeof(*out));
	else if (rc == 0)
		rc = EIO;
	mdb_txn_abort(txn);
	if (rc == 0 && out->version != RECORD_VERSION)
		rc = EIO;
	return rc == MDB_NOTFOUND ? -ENOENT : rc != 0 ? -EIO : 0;
}

static int put(struct engine *en, const char *name, const struct record *r, struct err *e)
{
	MDB_val key = {strlen(name), (void *)(uintptr_t)name};
	MDB_val value = {sizeof(*r), (void *)(uintptr_t)r};
	MDB_txn *txn;
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

static void to_info(const char *name, size_t len, const struct record *r, struct stored_image *out)
{
	memset(out, 0, sizeof(*out));
	(void)snprintf(out->name, sizeof(out->name), "%.*s", (int)len, name);
	memcpy(out->digest, r->digest, sizeof(out->digest));
	memcpy(out->guest_os, r->guest_os, sizeof(out->guest_os));
	out->digest[sizeof(out->digest) - 1] = '\0';
	out->guest_os[sizeof(out->guest_os) - 1] = '\0';
	out->pv = r->pv;
	out->pvh = r->pvh;
	out->noxs = r->noxs;
	out->linux_kernel = r->linux_kernel;
	out->bytes = r->bytes;
	out->min_kib = r->min_kib;
	out->imported_ns = r->imported_ns;
}

int engine_images(struct engine *en, void (*fn)(const struct stored_image *i, void *arg), void *arg,
		  struct err *e)
{
	MDB_cursor *cursor = NULL;
	MDB_val key;
	MDB_val value;
	MDB_txn *txn;
	int rc = mdb_txn_begin(en->image_db, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return failed(e, rc);
	rc = mdb_cursor_open(txn, en->image_dbi, &cursor);
	while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct stored_image i;
		struct record r;

		if (value.mv_size != sizeof(r))
			continue;
		memcpy(&r, value.mv_data, sizeof(r));
		to_info(key.mv_data, key.mv_size, &r, &i);
		fn(&i, arg);
	}
	if (cursor)
		mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return rc == MDB_NOTFOUND ? 0 : failed(e, rc);
}

static void count_digest(const struct stored_image *i, void *arg)
{
	struct record *r = arg; /* its version counts */

	if (memcmp(i->digest, r->digest, sizeof(r->digest)) == 0)
		r->version++;
}

/* The file goes with its last name; not now when an import may be about to name it. */
static void drop_file(struct engine *en, const char *digest)
{
	struct record r = {.version = 0};

	if (en->image_imports) {
		en->image_sweep = true;
		return;
	}
	memcpy(r.digest, digest, sizeof(r.digest));
	if (engine_images(en, count_digest, &r, NULL) == 0 && r.version == 0)
		(void)unlinkat(en->image_dirfd, digest, 0);
}

int engine_image_rm(struct engine *en, const char *name, struct err *e)
{
	struct record r;
	int rc = get(en, name, &r);

	if (rc == -ENOENT)
		return err_set(e, ENOENT,
			       "no image \"%s\"; \"chaos image list\" shows what there is", name);
	if (rc < 0)
		return err_sys(e, -rc, "image \"%s\"", name);
	rc = put(en, name, NULL, e);
	if (rc == 0)
		drop_file(en, r.digest);
	return rc;
}

int imagestore_digest(struct engine *en, const char *name, char digest[65], struct err *e)
{
	struct record r;

	if (get(en, name, &r) < 0)
		return err_set(e, ENOENT,
			       "no image \"%s\"; \"chaos image list\" shows what there is", name);
	memcpy(digest, r.digest, sizeof(r.digest));
	return 0;
}

/* --- import --- */

static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > IMAGE_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	return strspn(name,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+:-") == n;
}

static int copy(int from, int to, struct err *e)
{
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "not a regular file");
	if ((uint64_t)st.st_size > IMAGE_MAX_BYTES)
		return err_set(e, E2BIG, "larger than %llu MiB", IMAGE_MAX_BYTES >> 20);
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, COPY_STEP);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "copy");
		if (n == 0)
			return err_set(e, EIO, "the file became shorter");
	}
	return fsync(to) < 0 ? err_sys(e, errno, "write") : 0;
}

/* Looks at the copy, which nobody can change any more. */
static int describe(struct import_job *j, int fd, struct err *e)
{
	const struct image_info *i;
	struct image *img = NULL;
	struct stat st;
	int rc = image_digest(fd, j->r.digest, e);

	if (rc == 0)
		rc = image_open(fd, j->name, j->en->conf.cache_dir, &img, e);
	if (rc < 0)
		return rc;
	i = image_info(img);
	j->r.version = RECORD_VERSION;
	j->r.pv = i->pv;
	j->r.pvh = i->pvh;
	j->r.noxs = i->noxs;
	j->r.linux_kernel = i->builder == IMAGE_LINUX;
	j->r.bytes = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	j->r.min_kib = image_min_kib(img, i->pv ? DOM_PV : DOM_PVH, 1, 0);
	j->r.imported_ns = clock_wall_ns();
	memcpy(j->r.guest_os, i->guest_os, sizeof(j->r.guest_os));
	image_put(img);
	return 0;
}

static void import_work(struct worker_job *job, struct xen *x)
{
	struct import_job *j = (struct import_job *)job;
	int dir = j->en->image_dirfd;
	char tmp[32];
	int fd;

	(void)x;
	(void)snprintf(tmp, sizeof(tmp), IMAGE_UNFINISHED "%llx", (unsigned long long)clock_ns());
	fd = openat(dir, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		j->rc = err_sys(&j->err, errno, "image store");
		return;
	}
	j->rc = copy(j->fd, fd, &j->err);
	if (j->rc < 0)
		j->rc = err_wrap(&j->err, j->rc, "image \"%s\"", j->name);
	else
		j->rc = describe(j, fd, &j->err);
	/* The folder comes before the index: no name may outlive its file. */
	if (j->rc == 0 && (renameat(dir, tmp, dir, j->r.digest) < 0 || fsync(dir) < 0))
		j->rc = err_sys(&j->err, errno, "image store");
	if (j->rc < 0)
		(void)unlinkat(dir, tmp, 0);
	(void)close(fd);
}

static void import_done(struct worker_job *job)
{
	struct import_job *j = (struct import_job *)job;
	struct engine *en = j->en;
	struct stored_image out;
	struct record old;
	bool had = get(en, j->name, &old) == 0;

	en->image_imports--;
	if (j->rc == 0) {
		j->rc = put(en, j->name, &j->r, &j->err);
		if (j->rc < 0)
			drop_file(en, j->r.digest);
	}
	if (j->rc == 0 && had && memcmp(old.digest, j->r.digest, sizeof(old.digest)) != 0)
		drop_file(en, old.digest);
	if (en->image_sweep && en->image_imports == 0)
		imagestore_sweep(en);
	to_info(j->name, strlen(j->name), &j->r, &out);
	j->fn(j->arg, j->rc, j->rc < 0 ? NULL : &out, &j->err);
	(void)close(j->fd);
	free(j);
}

int engine_image_import(struct engine *en, const char *name, int fd, image_import_fn *fn, void *arg,
			struct err *e)
{
	struct import_job *j;

	if (!name_ok(name))
		return err_set(e, EINVAL,
			       "image name \"%s\": 1 to %u letters, digits and . _ + : -, not "
			       "beginning with . or -",
			       name, IMAGE_NAME_MAX);
	j = calloc(1, sizeof(*j));
	if (!j)
		return err_set(e, ENOMEM, "out of memory");
	*j = (struct import_job){
		.job = {.work = import_work, .done = import_done}, .en = en, .fn = fn, .arg = arg};
	(void)snprintf(j->name, sizeof(j->name), "%s", name);
	j->fd = fd;
	en->image_imports++;
	worker_push(en, WORKER_FILES, &j->job);
	return 0;
}
