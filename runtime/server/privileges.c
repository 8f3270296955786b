/*
 * privileges — groups first, then the user; the kernel takes the capabilities with the user id.
 */
#include "server/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

bool privileges_user_exists(const char *user)
{
    return *user == '\0' || getpwnam(user) != NULL;
}

bool privileges_drop(const char *user)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (geteuid() != 0 || *user == '\0')
        return true;
    const struct passwd *entry = getpwnam(user);
    if (entry != NULL && initgroups(user, entry->pw_gid) == 0 && setgid(entry->pw_gid) == 0 &&
        setuid(entry->pw_uid) == 0)
        return true;
    log_write(LOG_ERROR, "cannot become user %s: %s", user,
              entry == NULL ? "there is none of that name" : strerror(errno));
    return false;
}
