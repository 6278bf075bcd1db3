/* SPDX-License-Identifier: BSD-3-Clause */
/* Saved VMs as bodies of answers and requests. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "split-toolstack/libchaos/json.h"

static bool is_set(struct rq *rq, const char *key)
{
	const char *value = rq_query(rq, key);

	return value && strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
}

/* The VM is written: the file is the answer. The connection to chaosd stays open until all was
 * sent; without saved_sent() the VM continues. */
static void answer_saved(struct rq *rq, const struct chaos_reply *r)
{
	struct stat st;

	if (rq->answered)
		return;
	if (!r->has_saved || fstat(rq->file, &st) < 0) {
		rq_problem(rq, EIO, "cannot examine the file of the saved VM");
		return;
	}
	rq->file_bytes = (uint64_t)st.st_size;
	rq->save_tag = r->last ? 0 : r->tag;
	rq->text_type = "application/octet-stream";
	rq_answer(rq, MHD_HTTP_OK);
}

void run_save(struct rq *rq)
{
	struct chaos_request cr;

	rq->file = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (rq->file < 0) {
		rq_problem(rq, errno, "cannot make a file for the VM in /var/tmp: %s",
			   strerror(errno));
		return;
	}
	chaos_request_init(&cr, CHAOS_SAVE);
	cr.vm = rq->what;
	cr.flags = is_set(rq, "keep") ? CHAOS_KEEP : 0;
	cr.file_fd = rq->file;
	rq->on_reply = answer_saved;
	backend_stream(rq, &cr);
}

void saved_sent(struct rq *rq)
{
	struct chaos_request cr;

	if (!rq->save_tag || !rq->own)
		return;
	chaos_request_init(&cr, CHAOS_SAVED);
	cr.tag = rq->save_tag;
	(void)chaos_send(rq->own, &cr, NULL, NULL);
}

static void answer_restored(struct rq *rq, const struct chaos_reply *r)
{
	rq->json = vm_json(&r->vm);
	rq_answer(rq, MHD_HTTP_CREATED);
}

bool rq_disks(struct rq *rq, uint32_t *flags)
{
	const char *word = rq_query(rq, "disk");

	if (!word)
		return true;
	if (strcmp(word, "keep") == 0)
		*flags |= CHAOS_DISKS_KEEP;
	else if (strcmp(word, "readonly") == 0)
		*flags |= CHAOS_DISKS_READONLY;
	else if (strcmp(word, "none") == 0)
		*flags |= CHAOS_DISKS_NONE;
	else if (strcmp(word, "copy") == 0)
		*flags |= CHAOS_DISKS_COPY;
	else
		rq_problem(rq, EINVAL, "disk: not one of keep, readonly, none, copy");
	return *flags >= CHAOS_DISKS_KEEP;
}

void run_restore(struct rq *rq)
{
	struct chaos_request cr;

	if (rq->upload < 0 || lseek(rq->upload, 0, SEEK_SET) < 0) {
		rq_problem(rq, EINVAL, "the body must be the file of a saved VM");
		return;
	}
	chaos_request_init(&cr, CHAOS_RESTORE);
	cr.name = rq_query(rq, "name");
	cr.flags = is_set(rq, "paused") ? CHAOS_PAUSED : 0;
	if (!rq_disks(rq, &cr.flags))
		return;
	cr.file_fd = rq->upload;
	rq->on_reply = answer_restored;
	backend_stream(rq, &cr);
}

static void answer_woken(struct rq *rq, const struct chaos_reply *r)
{
	rq->json = vm_json(&r->vm);
	rq_answer(rq, MHD_HTTP_OK);
}

void run_wake(struct rq *rq)
{
	struct chaos_request cr;

	chaos_request_init(&cr, CHAOS_WAKE);
	cr.vm = rq->what;
	cr.flags = is_set(rq, "paused") ? CHAOS_PAUSED : 0;
	if (!rq_disks(rq, &cr.flags))
		return;
	rq->on_reply = answer_woken;
	backend_send(rq, &cr);
}
