; The Windows installer: for the user who runs it, without administrator rights. `packaging/build.py`
; gives the definitions. Silent: setup.exe /S [/D=C:\folder]; uninstall.exe /S [/PURGE].
Unicode true
!ifndef VERSION | PROGRAM | TARGET | ICON | APP_ID
  !error "compile this by packaging/build.py, which says what to pack"
!endif

!include "MUI2.nsh"
!include "FileFunc.nsh"
!include "LogicLib.nsh"
!include "x64.nsh"

!define NAME "Parley"
!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\${APP_ID}"
!define USER_FOLDER "$LOCALAPPDATA\parley"

Name "${NAME}"
OutFile "${TARGET}"
RequestExecutionLevel user
InstallDir "$LOCALAPPDATA\Programs\${NAME}"
InstallDirRegKey HKCU "${UNINSTALL_KEY}" "InstallLocation"
SetCompressor /SOLID lzma
SetDateSave off
ManifestDPIAware true
ManifestLongPathAware true
BrandingText "${NAME} ${VERSION}"

VIProductVersion "${VERSION_NUMBERS}"
VIAddVersionKey "ProductName" "${NAME}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "${NAME}"
VIAddVersionKey "CompanyName" "${PUBLISHER}"
VIAddVersionKey "LegalCopyright" "Apache-2.0"

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_ABORTWARNING
!define MUI_FINISHPAGE_RUN "$INSTDIR\parley-window.exe"
!define MUI_LANGDLL_ALLLANGUAGES
!define MUI_LANGDLL_REGISTRY_ROOT "HKCU"
!define MUI_LANGDLL_REGISTRY_KEY "Software\${APP_ID}"
!define MUI_LANGDLL_REGISTRY_VALUENAME "Language"

!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES

!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "SimpChinese"
!insertmacro MUI_RESERVEFILE_LANGDLL

LangString NEEDS_64_BIT ${LANG_ENGLISH} "Parley needs a 64-bit Windows."
LangString NEEDS_64_BIT ${LANG_SIMPCHINESE} "Parley 需要 64 位 Windows。"
LangString IS_RUNNING ${LANG_ENGLISH} "Parley is running. End it and try again."
LangString IS_RUNNING ${LANG_SIMPCHINESE} "Parley 正在运行，请退出后重试。"
LangString NOT_OURS ${LANG_ENGLISH} "The folder $INSTDIR holds other files. Choose an empty one."
LangString NOT_OURS ${LANG_SIMPCHINESE} "文件夹 $INSTDIR 中有其他文件，请选择空文件夹。"
LangString PURGE_QUESTION ${LANG_ENGLISH} "Delete your settings, kept conversations and models too?"
LangString PURGE_QUESTION ${LANG_SIMPCHINESE} "是否同时删除设置、保存的对话和模型？"
LangString DISK_FULL ${LANG_ENGLISH} "Not everything could be written. Is the disk full?"
LangString DISK_FULL ${LANG_SIMPCHINESE} "有文件无法写入，磁盘是否已满？"

; A program's file that cannot be opened for appending is running.
!macro REFUSE_WHILE_RUNNING
  ${If} ${FileExists} "$INSTDIR\parley.exe"
    ClearErrors
    FileOpen $0 "$INSTDIR\parley.exe" a
    ${If} ${Errors}
      MessageBox MB_ICONSTOP|MB_OK "$(IS_RUNNING)" /SD IDOK
      SetErrorLevel 3
      Abort
    ${EndIf}
    FileClose $0
    ClearErrors
    FileOpen $0 "$INSTDIR\parley-window.exe" a
    ${If} ${Errors}
      MessageBox MB_ICONSTOP|MB_OK "$(IS_RUNNING)" /SD IDOK
      SetErrorLevel 3
      Abort
    ${EndIf}
    FileClose $0
  ${EndIf}
!macroend

Function .onInit
  ${IfNot} ${RunningX64}
    MessageBox MB_ICONSTOP|MB_OK "$(NEEDS_64_BIT)" /SD IDOK
    SetErrorLevel 2
    Abort
  ${EndIf}
  !insertmacro MUI_LANGDLL_DISPLAY
FunctionEnd

Section "-${NAME}" MAIN
  AddSize ${INSTALLED_KIB}
  !insertmacro REFUSE_WHILE_RUNNING
  ; Removing deletes the whole folder, so nothing of another kind may be in it.
  ${IfNot} ${FileExists} "$INSTDIR\uninstall.exe"
    ${DirState} "$INSTDIR" $0
    ${If} $0 = 1
      MessageBox MB_ICONSTOP|MB_OK "$(NOT_OURS)" /SD IDOK
      SetErrorLevel 4
      Abort
    ${EndIf}
  ${EndIf}
  RMDir /r "$INSTDIR\_internal"
  SetOutPath "$INSTDIR"
  ClearErrors
  File /r "${PROGRAM}\*"
  ${If} ${Errors}
    MessageBox MB_ICONSTOP|MB_OK "$(DISK_FULL)" /SD IDOK
    RMDir /r "$INSTDIR"
    SetErrorLevel 5
    Abort
  ${EndIf}
  WriteUninstaller "$INSTDIR\uninstall.exe"
  CreateShortcut "$SMPROGRAMS\${NAME}.lnk" "$INSTDIR\parley-window.exe"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayName" "${NAME}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "Publisher" "${PUBLISHER}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "URLInfoAbout" "${HOMEPAGE}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "DisplayIcon" "$INSTDIR\parley-window.exe"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL_KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL_KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "EstimatedSize" ${INSTALLED_KIB}
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" "NoRepair" 1
SectionEnd

Function un.onInit
  !insertmacro MUI_UNGETLANGUAGE
FunctionEnd

Section "Uninstall"
  !insertmacro REFUSE_WHILE_RUNNING
  Delete "$SMPROGRAMS\${NAME}.lnk"
  RMDir /r "$INSTDIR"
  DeleteRegKey HKCU "${UNINSTALL_KEY}"
  DeleteRegKey HKCU "Software\${APP_ID}"
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/PURGE" $1
  ${IfNot} ${Errors}
    RMDir /r "${USER_FOLDER}"
  ${Else}
    MessageBox MB_ICONQUESTION|MB_YESNO|MB_DEFBUTTON2 "$(PURGE_QUESTION)" /SD IDNO IDNO kept
    RMDir /r "${USER_FOLDER}"
    kept:
  ${EndIf}
SectionEnd
