/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots: kept, listed, removed, VMs made of them; as bodies of answers and requests. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "split-toolstack/libchaos/json.h"

static void answer_snapshot(struct rq *rq, const struct chaos_reply *r)
{
	rq->json = snapshot_json(&r->snapshot);
	rq_answer(rq, MHD_HTTP_CREATED);
}

void run_snapshot(struct rq *rq)
{
	struct chaos_request cr;

	chaos_request_init(&cr, CHAOS_SNAPSHOT);
	cr.vm = rq->what;
	cr.name = rq_query(rq, "name");
	rq->on_reply = answer_snapshot;
	backend_send(rq, &cr);
}

static void answer_removed(struct rq *rq, const struct chaos_reply *r)
{
	(void)r;
	rq_answer(rq, MHD_HTTP_NO_CONTENT);
}

void run_snapshot_rm(struct rq *rq)
{
	struct chaos_request cr;

	chaos_request_init(&cr, CHAOS_SNAPSHOT_RM);
	cr.name = rq->what;
	rq->on_reply = answer_removed;
	backend_send(rq, &cr);
}

static void answer_created(struct rq *rq, const struct chaos_reply *r)
{
	rq->json = vm_json(&r->vm);
	rq_answer(rq, MHD_HTTP_CREATED);
}

void run_create_from(struct rq *rq)
{
	const char *paused = rq_query(rq, "paused");
	struct chaos_request cr;

	chaos_request_init(&cr, CHAOS_CREATE_FROM);
	cr.vm = rq->what;
	cr.name = rq_query(rq, "name");
	if (paused && strcmp(paused, "0") != 0 && strcmp(paused, "false") != 0)
		cr.flags = CHAOS_PAUSED;
	if (!rq_disks(rq, &cr.flags))
		return;
	rq->on_reply = answer_created;
	backend_send(rq, &cr);
}

/* --- to and from files --- */

static void answer_packed(struct rq *rq, const struct chaos_reply *r)
{
	struct stat st;

	(void)r;
	if (fstat(rq->file, &st) < 0) {
		rq_problem(rq, EIO, "cannot examine the file of the snapshot: %s", strerror(errno));
		return;
	}
	rq->file_bytes = (uint64_t)st.st_size;
	rq->text_type = "application/octet-stream";
	rq_answer(rq, MHD_HTTP_OK);
}

void run_snapshot_pack(struct rq *rq)
{
	struct chaos_request cr;

	rq->file = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (rq->file < 0) {
		rq_problem(rq, errno, "cannot make a file for the snapshot in /var/tmp: %s",
			   strerror(errno));
		return;
	}
	chaos_request_init(&cr, CHAOS_SNAPSHOT_PACK);
	cr.name = rq->what;
	cr.file_fd = rq->file;
	rq->on_reply = answer_packed;
	backend_stream(rq, &cr);
}

void run_snapshot_unpack(struct rq *rq)
{
	struct chaos_request cr;

	if (rq->upload < 0 || lseek(rq->upload, 0, SEEK_SET) < 0) {
		rq_problem(rq, EINVAL, "the body must be the file of a snapshot or of a saved VM");
		return;
	}
	chaos_request_init(&cr, CHAOS_SNAPSHOT_UNPACK);
	cr.name = rq->what;
	cr.file_fd = rq->upload;
	rq->on_reply = answer_snapshot;
	backend_stream(rq, &cr);
}
