/*
 * background_driver — jobs for background_spec: what they note, and the thread that ran them.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/background.h"

struct driven_job;
struct background_driver;

struct driven_job *driven_job_submit(struct background_driver *driver, bool waits);
void driven_job_let_go(struct driven_job *job);
void driven_job_follow(struct driven_job *job);
void driven_job_free(struct driven_job *job);
int driven_job_policy(const struct driven_job *job);
struct driven_job *driven_job_follower(const struct driven_job *job);
bool driven_job_blocks_signals(const struct driven_job *job);
bool driven_job_ran_elsewhere(const struct driven_job *job);
int driven_job_worked(const struct driven_job *job);
int driven_job_done(const struct driven_job *job);
int driven_policy_of(const struct driven_job *job);
struct background_driver *background_driver_create(struct loop *loop);
void background_driver_end(struct background_driver *driver);
void background_driver_free(struct background_driver *driver);
void background_driver_allow_threads(bool are_allowed);

struct background_driver {
    struct background *background;
    int worked, done; /* how many so far */
};

struct driven_job {
    struct background_job job;
    struct background_driver *driver;
    struct driven_job *follower; /* that `done` submits */
    sem_t may_go;
    pid_t worker, submitter;
    int policy, worked, done;
    bool waits, blocks_signals;
};

static void work(struct background_job *job)
{
    struct driven_job *driven = CONTAINER_OF(job, struct driven_job, job);
    sigset_t blocked;

    driven->worker = gettid();
    driven->policy = sched_getscheduler(0);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    driven->blocks_signals = sigismember(&blocked, SIGTERM) == 1;
    if (driven->waits)
        sem_wait(&driven->may_go);
    driven->worked = ++driven->driver->worked;
}

static void done(struct background_job *job)
{
    struct driven_job *driven = CONTAINER_OF(job, struct driven_job, job);

    driven->done = ++driven->driver->done;
    if (driven->follower != NULL)
        background_submit(driven->driver->background, &driven->follower->job);
}

static struct driven_job *make(struct background_driver *driver, bool waits)
{
    struct driven_job *driven = mem_zeroed(sizeof(*driven));

    driven->job = (struct background_job){.work = work, .done = done};
    driven->driver = driver;
    driven->waits = waits;
    driven->submitter = gettid();
    sem_init(&driven->may_go, 0, 0);
    return driven;
}

struct driven_job *driven_job_submit(struct background_driver *driver, bool waits)
{
    struct driven_job *driven = make(driver, waits);
    background_submit(driver->background, &driven->job);
    return driven;
}

void driven_job_follow(struct driven_job *job)
{
    job->follower = make(job->driver, false);
}

void driven_job_let_go(struct driven_job *job)
{
    sem_post(&job->may_go);
}

void driven_job_free(struct driven_job *job)
{
    if (job->follower != NULL)
        driven_job_free(job->follower);
    sem_destroy(&job->may_go);
    free(job);
}

int driven_job_policy(const struct driven_job *job)
{
    return job->policy;
}

struct driven_job *driven_job_follower(const struct driven_job *job)
{
    return job->follower;
}

int driven_policy_of(const struct driven_job *job)
{
    return sched_getscheduler(job->worker);
}

bool driven_job_blocks_signals(const struct driven_job *job)
{
    return job->blocks_signals;
}

bool driven_job_ran_elsewhere(const struct driven_job *job)
{
    return job->worker != 0 && job->worker != job->submitter;
}

int driven_job_worked(const struct driven_job *job)
{
    return job->worked;
}

int driven_job_done(const struct driven_job *job)
{
    return job->done;
}

struct background_driver *background_driver_create(struct loop *loop)
{
    struct background_driver *driver = mem_zeroed(sizeof(*driver));
    driver->background = background_create(loop, BACKGROUND_IDLE);
    return driver;
}

void background_driver_end(struct background_driver *driver)
{
    background_destroy(&driver->background);
}

void background_driver_free(struct background_driver *driver)
{
    free(driver);
}

/* Without: new ones would have stacks that no address space has room for. */
void background_driver_allow_threads(bool are_allowed)
{
    const size_t usual = (size_t)1 << 20, impossible = (size_t)1 << 50;
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, are_allowed ? usual : impossible);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
}
